// Fib.go -- row 6: fib(30), a goroutine and a channel at every call; ms, the best of the runs.
//
// The channel has room for the one answer, so that a child never waits for its parent.  GOGC is
// 400, which gives a tenth.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

func fibInto(n int, answer chan<- int) { answer <- fib(n) }

func fib(n int) int {
	if n < 2 {
		return n
	}
	answer := make(chan int, 1)
	go fibInto(n-1, answer)
	b := fib(n - 2)
	return <-answer + b
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	runs := flag.Int("runs", 3, "measured runs, after one to warm up")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)
	debug.SetGCPercent(400)

	best := time.Hour
	for run := 0; run <= *runs; run++ {
		begin := time.Now()
		if got := fib(30); got != 832040 {
			fmt.Fprintln(os.Stderr, "Fib: fib(30) came out as", got)
			os.Exit(1)
		}
		if took := time.Since(begin); run > 0 && took < best {
			best = took
		}
	}
	fmt.Printf("fib %.2f ms\n", float64(best.Nanoseconds())/1e6)
}

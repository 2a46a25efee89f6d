// Yield.go -- row 2: two goroutines yield to each other; ns per switch.
//
// runtime.Gosched puts its caller at the end of the global run queue, so that with one processor
// the two take turns.  Each calls it half as often as there are switches.
package main

import (
	"flag"
	"fmt"
	"runtime"
	"time"
)

func yieldBoth(switches int) {
	done := make(chan struct{})
	body := func() {
		for i := 0; i < switches/2; i++ {
			runtime.Gosched()
		}
		done <- struct{}{}
	}
	go body()
	go body()
	<-done
	<-done
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	const switches = 5_000_000
	yieldBoth(switches / 10)
	begin := time.Now()
	yieldBoth(switches)
	fmt.Printf("yield %.2f ns\n", float64(time.Since(begin).Nanoseconds())/switches)
}

// ForkJoin.go -- row 3: fork a goroutine that returns at once, and join it, one at a time; ns
// per pair.
//
// The join is a receive from one channel with room for one, made once; a WaitGroup is a
// fifth slower.
package main

import (
	"flag"
	"fmt"
	"runtime"
	"time"
)

func child(done chan<- struct{}) { done <- struct{}{} }

func forkJoin(pairs int) {
	done := make(chan struct{}, 1)
	for i := 0; i < pairs; i++ {
		go child(done)
		<-done
	}
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	const pairs = 1_500_000
	forkJoin(pairs / 10)
	begin := time.Now()
	forkJoin(pairs)
	fmt.Printf("fork_join %.2f ns\n", float64(time.Since(begin).Nanoseconds())/pairs)
}

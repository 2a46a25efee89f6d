// MVarPing.go -- row 27: two goroutines, a channel each: each sends to the other's and receives
// from its own, which is empty; ns per hop.
//
// The channels have no buffer, so that whoever waits is handed the value itself.
package main

import (
	"flag"
	"fmt"
	"runtime"
	"time"
)

func answer(mine <-chan int, other chan<- int, hops int) {
	for i := 0; i < hops; i++ {
		other <- <-mine
	}
}

// play makes `hops` of them, half of which are the other goroutine's.
func play(hops int) {
	mine, other := make(chan int), make(chan int)
	go answer(other, mine, hops/2)
	for i := 0; i < hops/2; i++ {
		other <- i
		<-mine
	}
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	const hops = 2_500_000
	play(hops / 10)
	begin := time.Now()
	play(hops)
	fmt.Printf("mvar %.2f ns\n", float64(time.Since(begin).Nanoseconds())/hops)
}

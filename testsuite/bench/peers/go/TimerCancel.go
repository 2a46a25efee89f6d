// TimerCancel.go -- row 15: with 1000 timers armed, arm one and cancel it; ns per pair.
//
// AfterFunc and Stop.  AfterFunc reads the clock: Go has no timer with an absolute deadline.
// Stop leaves the timer in the heap, from which it goes when it comes to the front or when the
// stopped ones are more than a quarter.  `timer_cancel_reset` is the same with Reset and Stop of
// one timer that was made before: nothing is allocated, but the timer keeps its place in the
// heap.
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"runtime"
	"time"
)

func nothing() {}

func armAndCancel(distances []time.Duration, pairs int) {
	for i := 0; i < pairs; i++ {
		time.AfterFunc(distances[i%len(distances)], nothing).Stop()
	}
}

func resetAndCancel(distances []time.Duration, pairs int) {
	t := time.AfterFunc(time.Hour, nothing)
	for i := 0; i < pairs; i++ {
		t.Reset(distances[i%len(distances)])
		t.Stop()
	}
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	const armed, pairs = 1000, 1_000_000
	distances := make([]time.Duration, 4096)
	for i := range distances {
		distances[i] = time.Hour + time.Duration(rand.Int63n(int64(time.Hour)))
	}
	for i := 0; i < armed; i++ {
		time.AfterFunc(distances[i], nothing)
	}
	armAndCancel(distances, pairs/10)
	resetAndCancel(distances, pairs/10)
	begin := time.Now()
	armAndCancel(distances, pairs)
	fmt.Printf("timer_cancel %.1f ns\n", float64(time.Since(begin).Nanoseconds())/pairs)
	begin = time.Now()
	resetAndCancel(distances, pairs)
	fmt.Printf("timer_cancel_reset %.1f ns\n", float64(time.Since(begin).Nanoseconds())/pairs)
}

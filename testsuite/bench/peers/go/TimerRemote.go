// TimerRemote.go -- row 24: timers armed by one goroutine and stopped by another; ns per pair.
//
// Each on an OS thread of its own; they take turns by a word at which they spin.  The slice is
// made beforehand; AfterFunc allocates its timer, which Stop leaves in the first one's heap.
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"runtime"
	"sync/atomic"
	"time"
)

const batch, batches = 4096, 100

var turn int32

func nothing() {}

func main() {
	cores := flag.Int("cores", 2, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)
	timers := make([]*time.Timer, batch)
	distances := make([]time.Duration, batch)
	for i := range distances {
		distances[i] = time.Hour + time.Duration(rand.Int63n(int64(time.Second)))
	}
	go func() {
		runtime.LockOSThread()
		for {
			for atomic.LoadInt32(&turn) == 0 {
			}
			for _, t := range timers {
				t.Stop()
			}
			atomic.StoreInt32(&turn, 0)
		}
	}()
	runtime.LockOSThread()
	round := func() {
		for i := range timers {
			timers[i] = time.AfterFunc(distances[i], nothing)
		}
		atomic.StoreInt32(&turn, 1)
		for atomic.LoadInt32(&turn) == 1 {
		}
	}
	for i := 0; i < batches/10; i++ {
		round()
	}
	begin := time.Now()
	for i := 0; i < batches; i++ {
		round()
	}
	fmt.Printf("timer_remote %.1f ns\n", float64(time.Since(begin).Nanoseconds())/(batch*batches))
}

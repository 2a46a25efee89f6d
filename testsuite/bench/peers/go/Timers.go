// Timers.go -- row 14: 1,000,000 time.AfterFunc with random deadlines in one second; ns per
// timer.
//
// AfterFunc wants a distance from now, and its callback runs in a goroutine of its own.  The
// second of the deadlines begins after the last is armed: how long arming takes is measured in a
// first round, which is the warm-up; when that was too short, the round is done again with twice
// the time.
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	unfired  int64 // atomic: callbacks count it down
	allFired = make(chan struct{}, 1)
)

func fire() {
	if atomic.AddInt64(&unfired, -1) == 0 {
		allFired <- struct{}{}
	}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// fireAll arms all offsets, counted from `lead` after now, waits until they have fired, and
// returns how long arming took and the CPU time of it all.
func fireAll(offsets []time.Duration, lead time.Duration) (arming, cpu time.Duration) {
	runtime.GC()
	atomic.StoreInt64(&unfired, int64(len(offsets)))
	cpu = cpuTime()
	begin := time.Now()
	var elapsed time.Duration
	for i, offset := range offsets {
		if i%256 == 0 {
			elapsed = time.Since(begin)
		}
		time.AfterFunc(lead+offset-elapsed, fire)
	}
	arming = time.Since(begin)
	<-allFired
	return arming, cpuTime() - cpu
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	count := flag.Int("timers", 1_000_000, "timers")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	offsets := make([]time.Duration, *count)
	for i := range offsets {
		offsets[i] = time.Duration(rand.Int63n(int64(time.Second)))
	}
	warm, _ := fireAll(offsets, time.Second)
	lead := warm * 3 / 2
	for tries := 0; tries < 4; tries++ {
		arming, cpu := fireAll(offsets, lead)
		if arming < lead {
			each := float64(len(offsets))
			fmt.Printf("timer_arm %.1f ns\ntimer_all %.1f ns\n",
				float64(arming.Nanoseconds())/each, float64(cpu.Nanoseconds())/each)
			return
		}
		lead = arming * 2
	}
	fmt.Fprintln(os.Stderr, "Timers: timers fall due before the last is armed")
	os.Exit(1)
}

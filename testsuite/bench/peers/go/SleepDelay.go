// SleepDelay.go -- row 13: a goroutine sleeps for 100 us, nothing else runs; how late it is, us.
//
// The scheduler sleeps in epoll_wait, whose time-out is in whole milliseconds: hence the figure.
package main

import (
	"flag"
	"fmt"
	"runtime"
	"sort"
	"time"
)

const asked = 100 * time.Microsecond

// sleepOften returns by how many us each of `count` sleeps was late, sorted.
func sleepOften(count int) []float64 {
	late := make([]float64, count)
	for i := range late {
		begin := time.Now()
		time.Sleep(asked)
		late[i] = float64((time.Since(begin) - asked).Nanoseconds()) / 1e3
	}
	sort.Float64s(late)
	return late
}

func main() {
	cores := flag.Int("cores", 2, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	finished := make(chan struct{})
	go func() {
		const sleeps = 2000
		sleepOften(50)
		late := sleepOften(sleeps)
		fmt.Printf("late_p50 %.1f us\nlate_p99 %.1f us\n", late[sleeps/2], late[sleeps*99/100])
		close(finished)
	}()
	<-finished
}

// BothBusy.go -- row 20: one goroutine per processor computes; beside them two goroutines play
// ping-pong over a socket pair; us per round trip.
//
// The computing goroutines are stopped by a signal every 10 ms (asynchronous preemption, since
// Go 1.14), which is also when the scheduler looks at its poller: a round trip waits for several
// of them.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"sort"
	"syscall"
	"time"
)

func fail(what ...interface{}) {
	fmt.Fprintln(os.Stderr, append([]interface{}{"BothBusy:"}, what...)...)
	os.Exit(1)
}

func socketPair() (pair [2]net.Conn) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		fail(err)
	}
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket")
		if pair[i], err = net.FileConn(file); err != nil {
			fail(err)
		}
		file.Close()
	}
	return pair
}

func echo(socket net.Conn) {
	var buffer [1]byte
	for {
		if _, err := socket.Read(buffer[:]); err != nil {
			return
		}
		if _, err := socket.Write(buffer[:]); err != nil {
			return
		}
	}
}

var sinks [64][8]uint64

func compute(slot int) {
	for x := uint64(1); ; x = x*6364136223846793005 + 1 {
		sinks[slot][0] = x
	}
}

func main() {
	cores := flag.Int("cores", 2, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	finished := make(chan struct{})
	pair := socketPair()
	go echo(pair[0])
	go func() {
		time.Sleep(50 * time.Millisecond) // by then all processors are busy
		var trips []float64
		var buffer [1]byte
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			begin := time.Now()
			if _, err := pair[1].Write(buffer[:]); err != nil {
				fail(err)
			}
			if _, err := pair[1].Read(buffer[:]); err != nil {
				fail(err)
			}
			trips = append(trips, float64(time.Since(begin).Nanoseconds())/1e3)
		}
		sort.Float64s(trips)
		fmt.Printf("round_trip_p50 %.1f us\nround_trip_p99 %.1f us\n",
			trips[len(trips)/2], trips[len(trips)*99/100])
		close(finished)
	}()
	for i := 0; i < *cores; i++ {
		go compute(i % len(sinks))
	}
	<-finished
}

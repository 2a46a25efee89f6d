// PipeChain.go -- row 11: 1000 pipes in a ring, 100 of them hold a byte; one goroutine per pipe
// reads a byte and writes it to the next pipe; ns per event.
//
// os.Pipe: non-blocking file descriptors that wait in the netpoller (edge-triggered epoll,
// registered once).  A Read tries first, and parks on EAGAIN.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

const pipes, active = 1000, 100

// Every goroutine counts its own events, in a cache line of its own, so that counting costs
// nothing; who sees that the time is over is the main goroutine.
type link struct {
	in, out *os.File
	events  int64
	_       [5]int64
}

func (l *link) run() {
	var buffer [1]byte
	for {
		if _, err := l.in.Read(buffer[:]); err != nil {
			return
		}
		atomic.StoreInt64(&l.events, l.events+1)
		if _, err := l.out.Write(buffer[:]); err != nil {
			return
		}
	}
}

func countEvents(links []link) (sum int64) {
	for i := range links {
		sum += atomic.LoadInt64(&links[i].events)
	}
	return sum
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	links := make([]link, pipes)
	for i := range links {
		var err error
		if links[i].in, links[(i+pipes-1)%pipes].out, err = os.Pipe(); err != nil {
			fmt.Fprintln(os.Stderr, "PipeChain:", err)
			os.Exit(1)
		}
	}
	for i := range links {
		go links[i].run()
	}
	for i := 0; i < pipes; i += pipes / active {
		links[i].out.Write([]byte{'x'})
	}

	time.Sleep(100 * time.Millisecond)
	before, begin := countEvents(links), time.Now()
	time.Sleep(600 * time.Millisecond)
	events, took := countEvents(links)-before, time.Since(begin)
	fmt.Printf("pipe_chain %.1f ns\n", float64(took.Nanoseconds())/float64(events))
}

// BusyCore.go -- row 19: one processor computes for 2 s in a goroutine that calls nothing, the
// other is idle; a plain OS thread writes to pipes that goroutines read; us from write to read.
//
// Go has one poller for all its processors, so the readers, which last ran wherever they did,
// are found by the idle one.  The busy goroutine is stopped by a signal every 10 ms (since Go
// 1.14).  The writer is a pthread made by C, as in WakeDelay.go; it sends its clock through the
// pipe.
package main

/*
#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

enum { PIPES = 16 };
int write_fds[PIPES];         // written before the thread starts

static int64_t clockNs(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void *writeClocks(void *unused)
{
    for (unsigned i = 0;; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
        int64_t now_ns = clockNs();
        if (write(write_fds[i % PIPES], &now_ns, sizeof now_ns) != sizeof now_ns) _exit(1);
    }
    return unused;
}

static int startWriter(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, writeClocks, NULL);
}
*/
import "C"

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sort"
	"time"
)

func fail(what ...interface{}) {
	fmt.Fprintln(os.Stderr, append([]interface{}{"BusyCore:"}, what...)...)
	os.Exit(1)
}

// readClocks sends the delay of each event, in us.
func readClocks(pipe *os.File, delays chan<- float64) {
	var clock [8]byte
	for {
		if n, err := pipe.Read(clock[:]); n != 8 {
			fail("read", n, err)
		}
		sent := int64(binary.LittleEndian.Uint64(clock[:]))
		delays <- float64(int64(C.clockNs())-sent) / 1e3
	}
}

var sink uint64

// compute calls nothing, not even the clock, for about `rounds` ns.
func compute(rounds uint64) {
	x := uint64(1)
	for i := uint64(0); i < rounds; i++ {
		x = x*6364136223846793005 + i
	}
	sink = x
}

func main() {
	cores := flag.Int("cores", 2, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	begin := time.Now()
	compute(20_000_000)
	rounds := uint64(20_000_000 * 2e9 / float64(time.Since(begin).Nanoseconds()))

	delays := make(chan float64, 100_000)
	for i := range C.write_fds {
		in, out, err := os.Pipe()
		if err != nil {
			fail(err)
		}
		C.write_fds[i] = C.int(out.Fd())
		go readClocks(in, delays)
		defer runtime.KeepAlive(out)
	}
	if C.startWriter() != 0 {
		fail("no thread")
	}
	time.Sleep(50 * time.Millisecond)
	for len(delays) > 0 {
		<-delays
	}
	compute(rounds) // the main goroutine is the busy one

	late := make([]float64, len(delays))
	for i := range late {
		late[i] = <-delays
	}
	sort.Float64s(late)
	fmt.Printf("busy_p50 %.1f us\nbusy_p99 %.1f us\n", late[len(late)/2], late[len(late)*99/100])
}

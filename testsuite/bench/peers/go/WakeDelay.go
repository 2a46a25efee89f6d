// WakeDelay.go -- row 12: a plain OS thread writes to a pipe; how long until the goroutine that
// reads the pipe looks at the clock?  us.
//
// The reader is in Read of an os.File, so it waits in the netpoller.  The writer is a pthread
// made by C, since a thread of Go's own would hold one of the scheduler's processors while it
// spins.  It sends its clock through the pipe; the reader looks at the same clock through cgo,
// which costs it 0.1 us.
package main

/*
#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int64_t received;            // atomic: how many the reader has got; it alone writes
static int write_fd, idle_count, spinning_count;

static int64_t clockNs(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sendClock(void)
{
    int64_t now_ns = clockNs();
    if (write(write_fd, &now_ns, sizeof now_ns) != sizeof now_ns) _exit(1);
}

static void *writeClocks(void *unused)
{
    int64_t sent = 0;
    for (; sent < idle_count; sent++) {
        nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
        sendClock();
    }
    for (; sent < idle_count + spinning_count; sent++) {
        while (__atomic_load_n(&received, __ATOMIC_ACQUIRE) < sent) __builtin_ia32_pause();
        int64_t begin_ns = clockNs();
        while (clockNs() < begin_ns + 3000) __builtin_ia32_pause();
        sendClock();
    }
    return unused;
}

static int startWriter(int fd, int idle, int spinning)
{
    pthread_t thread;
    write_fd = fd;
    idle_count = idle;
    spinning_count = spinning;
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
	"sync/atomic"
)

func fail(what ...interface{}) {
	fmt.Fprintln(os.Stderr, append([]interface{}{"WakeDelay:"}, what...)...)
	os.Exit(1)
}

// readDelays takes `count` events and returns their delays in us, sorted.
func readDelays(pipe *os.File, count int) []float64 {
	delays := make([]float64, 0, count)
	var clock [8]byte
	for i := 0; i < count; i++ {
		if n, err := pipe.Read(clock[:]); n != 8 {
			fail("read", n, err)
		}
		sent := int64(binary.LittleEndian.Uint64(clock[:]))
		delays = append(delays, float64(int64(C.clockNs())-sent)/1e3)
		atomic.AddInt64((*int64)(&C.received), 1)
	}
	sort.Float64s(delays)
	return delays
}

func main() {
	cores := flag.Int("cores", 2, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	const warm, idle, spinning = 100, 1500, 20000
	in, out, err := os.Pipe()
	if err != nil {
		fail(err)
	}
	// Fd makes a file blocking: here only the writer's end, which is what its thread needs.
	if C.startWriter(C.int(out.Fd()), warm+idle, warm+spinning) != 0 {
		fail("no thread")
	}
	finished := make(chan struct{})
	go func() {
		readDelays(in, warm)
		delays := readDelays(in, idle)
		fmt.Printf("idle_p50 %.2f us\nidle_p99 %.2f us\n", delays[idle/2], delays[idle*99/100])
		readDelays(in, warm)
		fmt.Printf("spinning_p50 %.2f us\n", readDelays(in, spinning)[spinning/2])
		close(finished)
	}()
	<-finished
	runtime.KeepAlive(out)
}

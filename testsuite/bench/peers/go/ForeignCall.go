// ForeignCall.go -- row 29: cgo calls of an empty function and of one that sleeps for 1 ms.
//
// cgo runs a C function on the OS thread's own stack, and keeps the processor while it is short:
// sysmon, which looks every 20 us to 10 ms, takes it away from a long one.
package main

/*
#include <stdint.h>
#include <time.h>

static void doNothing(void) {}

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

// blockBriefly returns when it began.
static int64_t blockBriefly(void)
{
	int64_t began_ns = now();
	struct timespec time = {0, 1000000};
	nanosleep(&time, NULL);
	return began_ns;
}
*/
import "C"

import (
	"flag"
	"fmt"
	"runtime"
	"sort"
	"time"
)

// callOften returns the ns that each of `count` calls took.
func callOften(count int) float64 {
	begin := time.Now()
	for i := 0; i < count; i++ {
		C.doNothing()
	}
	return float64(time.Since(begin).Nanoseconds()) / float64(count)
}

// blockOften returns, sorted, how many us after the begin of each call the other one ran.
func blockOften(count int) []float64 {
	delays := make([]float64, count)
	looked := make(chan int64, 1)
	for i := range delays {
		go func() { looked <- int64(C.now()) }()
		began := int64(C.blockBriefly())
		delays[i] = float64(<-looked-began) / 1e3
	}
	sort.Float64s(delays)
	return delays
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	callOften(100_000)
	fmt.Printf("call %.2f ns\n", callOften(5_000_000))
	const calls = 400
	delays := blockOften(calls)
	fmt.Printf("others_p50 %.1f us\nothers_p99 %.1f us\n", delays[calls/2], delays[calls*99/100])
}

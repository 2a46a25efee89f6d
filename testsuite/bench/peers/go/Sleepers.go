// Sleepers.go -- row 16: 1,000,000 goroutines, each sleeps once until a random moment in a common
// second; twice; us of CPU time per goroutine.
//
// time.Sleep keeps its timer in the goroutine, so that the second wave allocates nothing.  The
// common second begins `--lead` ns per goroutine after the first is forked; when a wave took
// longer to fork, the program starts itself again with twice that.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// startAgain replaces the process by a fresh one, since its first wave must find cold memory.
func startAgain(threads int, lead time.Duration) {
	self, err := os.Executable()
	if err == nil && lead < 5*time.Minute {
		cores := fmt.Sprint("--cores=", runtime.GOMAXPROCS(0))
		leadEach := fmt.Sprint("--lead=", int(lead)/threads)
		arguments := []string{self, cores, fmt.Sprint("--threads=", threads), leadEach}
		err = syscall.Exec(self, arguments, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "Sleepers: sleeps end before the last is forked", err)
	os.Exit(1)
}

// runWave returns the us of CPU time per goroutine.
func runWave(threads int, lead time.Duration) float64 {
	var group sync.WaitGroup
	group.Add(threads)
	cpu := cpuTime()
	start := time.Now().Add(lead)
	random := uint64(1)
	for i := 0; i < threads; i++ {
		random = random*6364136223846793005 + 1442695040888963407
		offset := time.Duration(random >> 33 * uint64(time.Second) >> 31)
		go func() {
			time.Sleep(time.Until(start) + offset)
			group.Done()
		}()
	}
	if time.Now().After(start) {
		startAgain(threads, 2*lead)
	}
	group.Wait()
	return float64((cpuTime() - cpu).Nanoseconds()) / 1e3 / float64(threads)
}

func main() {
	cores := flag.Int("cores", 2, "processors of the scheduler")
	threads := flag.Int("threads", 1_000_000, "goroutines")
	lead := flag.Int("lead", 4000, "ns per goroutine until the common second begins")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)
	debug.SetGCPercent(400) // scanning a million stacks is the larger part otherwise

	whole := time.Duration(*lead) * time.Duration(*threads)
	cold := runWave(*threads, whole)
	warm := runWave(*threads, whole)
	fmt.Printf("cold %.2f us\nwarm %.2f us\n", cold, warm)
}

// Blocked.go -- row 17: 100,000 and then 1,000,000 goroutines, each blocked on a channel of its
// own; bytes of RSS per goroutine, with its channel.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func rssBytes() int64 {
	var pages, resident int64
	statm, _ := os.ReadFile("/proc/self/statm")
	fmt.Sscan(string(statm), &pages, &resident)
	return resident * int64(os.Getpagesize())
}

func blockOn(cell <-chan int) { <-cell }

// settle lets all that has been forked run until it blocks.
func settle() {
	for i := 0; i < 100; i++ {
		runtime.Gosched()
	}
	time.Sleep(20 * time.Millisecond)
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	few := flag.Int("few", 100_000, "goroutines at the first look")
	many := flag.Int("many", 1_000_000, "goroutines at the second look")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	cells := make([]chan int, 0, *many)
	before := rssBytes()
	forkUpTo := func(threads int) float64 {
		for len(cells) < threads {
			cell := make(chan int, 1)
			cells = append(cells, cell)
			go blockOn(cell)
		}
		settle()
		return float64(rssBytes()-before) / float64(threads)
	}
	fmt.Printf("rss_100k %.0f B\n", forkUpTo(*few))
	fmt.Printf("rss_1m %.0f B\n", forkUpTo(*many))
	runtime.KeepAlive(cells)
}

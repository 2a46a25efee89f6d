// ForkMany.go -- row 4: fork 1000 goroutines that return at once, join them all, again and
// again; ns per child.
//
// A WaitGroup joins them: one atomic decrement per child, one wake-up per thousand.
package main

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"time"
)

const children = 1000

func forkMany(rounds int) {
	var group sync.WaitGroup
	for r := 0; r < rounds; r++ {
		group.Add(children)
		for i := 0; i < children; i++ {
			go group.Done()
		}
		group.Wait()
	}
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	const rounds = 2000
	forkMany(rounds / 10)
	begin := time.Now()
	forkMany(rounds)
	perChild := float64(time.Since(begin).Nanoseconds()) / (rounds * children)
	fmt.Printf("fork_many %.2f ns\n", perChild)
}

// Ring.go -- row 5: 503 goroutines in a ring pass a number that counts down; ns per hop.
//
// The cells are channels of capacity one, as a one-word cell is: a put into the empty cell of a
// waiting goroutine does not wait for it.
package main

import (
	"flag"
	"fmt"
	"runtime"
	"time"
)

const members = 503

// member passes numbers on until one is 0; then it tells `done` and goes on, for the next token.
func member(in <-chan int, out chan<- int, done chan<- struct{}) {
	for {
		n := <-in
		if n == 0 {
			done <- struct{}{}
		} else {
			out <- n - 1
		}
	}
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	cells := make([]chan int, members)
	for i := range cells {
		cells[i] = make(chan int, 1)
	}
	done := make(chan struct{}, 1)
	for i := range cells {
		go member(cells[i], cells[(i+1)%members], done)
	}
	passToken := func(hops int) {
		cells[0] <- hops
		<-done
	}

	const hops = 2_500_000
	passToken(hops / 10)
	begin := time.Now()
	passToken(hops)
	fmt.Printf("ring %.2f ns\n", float64(time.Since(begin).Nanoseconds())/hops)
}

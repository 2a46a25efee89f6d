// Idle.go -- row 21: 1000 goroutines blocked for ever, each on a channel of its own; prints
// `ready` and goes on until standard input ends.  Who started it counts its wake-ups and CPU
// time.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
)

func main() {
	cores := flag.Int("cores", 2, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)

	cells := make([]chan int, 1000)
	for i := range cells {
		cells[i] = make(chan int, 1)
		go func(cell <-chan int) { <-cell }(cells[i])
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(cells)
}

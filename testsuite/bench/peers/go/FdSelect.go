// FdSelect.go -- row 42: reading an fd alone, and in a select that waits for a time as well; ns per
// hop.
//
// A select waits for channels, so a goroutine reads the fd and sends on a channel what it has read;
// one timer serves all selects.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "FdSelect:", err)
		os.Exit(1)
	}
}

type player struct {
	from, to *os.File
	bytes    chan byte // by select; nil: plainly
	never    <-chan time.Time
}

func (p *player) read(buffer []byte) {
	_, err := p.from.Read(buffer)
	check(err)
}

// pump sends `count` bytes on.
func (p *player) pump(count int) {
	buffer := make([]byte, 1)
	for i := 0; i < count; i++ {
		p.read(buffer)
		p.bytes <- buffer[0]
	}
}

func (p *player) receive(buffer []byte) {
	if p.bytes == nil {
		p.read(buffer)
		return
	}
	select {
	case buffer[0] = <-p.bytes:
	case <-p.never:
		check(os.ErrDeadlineExceeded)
	}
}

func (p *player) send(buffer []byte) {
	_, err := p.to.Write(buffer)
	check(err)
}

// play takes the time of `hops` waits, reads and writes.
func play(hops int, selects bool, never <-chan time.Time) time.Duration {
	thereIn, thereOut, err := os.Pipe()
	check(err)
	backIn, backOut, err := os.Pipe()
	check(err)
	one := &player{from: backIn, to: thereOut, never: never}
	other := &player{from: thereIn, to: backOut, never: never}
	each := hops / 2
	if selects {
		one.bytes, other.bytes = make(chan byte), make(chan byte)
		go one.pump(each)
		go other.pump(each)
	}
	done := make(chan struct{})
	begin := time.Now()
	go func() {
		buffer := make([]byte, 1)
		for i := 0; i < each; i++ {
			other.receive(buffer)
			other.send(buffer)
		}
		close(done)
	}()
	buffer := make([]byte, 1)
	for i := 0; i < each; i++ {
		one.send(buffer)
		one.receive(buffer)
	}
	<-done
	passed := time.Since(begin)
	for _, file := range []*os.File{thereIn, thereOut, backIn, backOut} {
		file.Close()
	}
	return passed
}

func measure(name string, selects bool, never <-chan time.Time) {
	const warm = 2000
	hops := int(float64(warm) * 3e8 / float64(play(warm, selects, never).Nanoseconds()))
	if hops < 1000 {
		hops = 1000
	}
	fmt.Printf("%s %.2f ns\n", name, float64(play(hops, selects, never).Nanoseconds())/float64(hops))
}

func main() {
	cores := flag.Int("cores", 1, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)
	never := time.NewTimer(time.Hour)
	measure("fd_wait", false, never.C)
	measure("fd_select", true, never.C)
}

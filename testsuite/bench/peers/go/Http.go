// Http.go -- rows 8 to 10 and 18: the HTTP server on goroutines, one per connection.
//
// A loop over net.Conn, not net/http: with net/http (whose requests become maps and strings) Go
// needs three times the CPU, and the row would compare parsers; what is compared is how one waits.
// Requests are looked at as the peers in C do it: where they end, and their first line.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

const (
	page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 151\r\n\r\n" +
		"<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each " +
		"connection, written as if every call blocked. None of them ever does.\n"
	notFound = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
)

var (
	get = []byte("GET / HTTP/1.1\r\n")
	end = []byte("\r\n\r\n")
)

// serve answers the requests of one connection; pipelined ones that came together, together.
func serve(conn net.Conn) {
	defer conn.Close()
	input := make([]byte, 2048)
	output := make([]byte, 0, 512)
	for size := 0; size < len(input); {
		got, err := conn.Read(input[size:])
		if err != nil {
			return
		}
		size += got
		rest := input[:size]
		for {
			at := bytes.Index(rest, end)
			if at < 0 {
				break
			}
			if bytes.HasPrefix(rest, get) {
				output = append(output, page...)
			} else {
				output = append(output, notFound...)
			}
			rest = rest[at+len(end):]
		}
		size = copy(input, rest)
		if len(output) > 0 {
			if _, err := conn.Write(output); err != nil {
				return
			}
			output = output[:0]
		}
	}
}

func main() {
	port := flag.Int("port", 8080, "on the loopback")
	cores := flag.Int("cores", 2, "processors of the scheduler")
	flag.Parse()
	runtime.GOMAXPROCS(*cores)
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept() // TCP_NODELAY is Go's default
			if err != nil {
				log.Fatal(err)
			}
			go serve(conn)
		}
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	fmt.Printf("http://127.0.0.1:%d/ on %d cores\n", *port, *cores)
	<-stop
}

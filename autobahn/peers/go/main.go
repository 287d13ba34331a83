// What the Go peers have in common, built with the file of each: NAME server | client URL
//
// That file has the name under which the lab knows it, and three functions: serve echoes on a listener, first gives the
// first message of a WebSocket, echo answers each message until the WebSocket has ended.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

func server() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("ws://%s/\n", listener.Addr())
	go func() {
		for _, err := os.Stdin.Read(make([]byte, 256)); err == nil; _, err = os.Stdin.Read(make([]byte, 256)) {
		}
		os.Exit(0)
	}()
	return serve(listener)
}

func client(url string) error {
	told, err := first(url + "/getCaseCount")
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(told)
	if err != nil {
		return err
	}
	for number := 1; number <= count; number++ {
		echo(fmt.Sprintf("%s/runCase?case=%d&agent=%s", url, number, agent)) // many a case ends with an error
	}
	return echo(fmt.Sprintf("%s/updateReports?agent=%s", url, agent))
}

func main() {
	run := server
	if os.Args[1] == "client" {
		run = func() error { return client(strings.TrimRight(os.Args[2], "/")) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

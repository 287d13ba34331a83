// gorilla/websocket: gorilla server | client URL
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/gorilla/websocket"
)

func echo(socket *websocket.Conn) {
	defer socket.Close()
	for {
		kind, message, err := socket.ReadMessage()
		if err != nil || socket.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func server() error {
	upgrader := websocket.Upgrader{EnableCompression: true, CheckOrigin: func(*http.Request) bool { return true }}
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
	return http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if socket, err := upgrader.Upgrade(answer, request, nil); err == nil {
			echo(socket)
		}
	}))
}

func client(url string) error {
	dialer := websocket.Dialer{EnableCompression: true}
	open := func(resource string) (*websocket.Conn, error) {
		socket, _, err := dialer.Dial(url+resource, nil)
		return socket, err
	}
	socket, err := open("/getCaseCount")
	if err != nil {
		return err
	}
	_, told, err := socket.ReadMessage()
	if err != nil {
		return err
	}
	socket.Close()
	count, err := strconv.Atoi(string(told))
	if err != nil {
		return err
	}
	for number := 1; number <= count; number++ {
		if socket, err := open(fmt.Sprintf("/runCase?case=%d&agent=gorilla", number)); err == nil {
			echo(socket)
		}
	}
	if socket, err = open("/updateReports?agent=gorilla"); err == nil {
		echo(socket)
	}
	return err
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

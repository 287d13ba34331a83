// nhooyr.io/websocket: nhooyr server | client URL
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"nhooyr.io/websocket"
)

func echo(socket *websocket.Conn) {
	defer socket.Close(websocket.StatusNormalClosure, "")
	socket.SetReadLimit(64 << 20) // its default is 32 KiB
	for {
		kind, message, err := socket.Read(context.Background())
		if err != nil || socket.Write(context.Background(), kind, message) != nil {
			return
		}
	}
}

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
	return http.Serve(listener, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if socket, err := websocket.Accept(answer, request, &websocket.AcceptOptions{InsecureSkipVerify: true}); err == nil {
			echo(socket)
		}
	}))
}

func client(url string) error {
	open := func(resource string) (*websocket.Conn, error) {
		socket, _, err := websocket.Dial(context.Background(), url+resource, nil)
		return socket, err
	}
	socket, err := open("/getCaseCount")
	if err != nil {
		return err
	}
	_, told, err := socket.Read(context.Background())
	if err != nil {
		return err
	}
	socket.Close(websocket.StatusNormalClosure, "")
	count, err := strconv.Atoi(string(told))
	if err != nil {
		return err
	}
	for number := 1; number <= count; number++ {
		if socket, err := open(fmt.Sprintf("/runCase?case=%d&agent=nhooyr", number)); err == nil {
			echo(socket)
		}
	}
	if socket, err = open("/updateReports?agent=nhooyr"); err == nil {
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

// golang.org/x/net/websocket, whose frames keep their type: xnet server | client URL
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/websocket"
)

type message struct {
	kind  byte
	bytes []byte
}

// The library's own codecs are for one type each; one that keeps the type is what it asks for.
var codec = websocket.Codec{
	Marshal: func(value interface{}) ([]byte, byte, error) {
		return value.(*message).bytes, value.(*message).kind, nil
	},
	Unmarshal: func(bytes []byte, kind byte, value interface{}) error {
		*value.(*message) = message{kind, bytes}
		return nil
	},
}

func echo(socket *websocket.Conn) {
	defer socket.Close()
	for {
		var one message
		if codec.Receive(socket, &one) != nil || codec.Send(socket, &one) != nil {
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
	// A Server with a Handshake of its own demands no Origin.
	return http.Serve(listener, websocket.Server{
		Handler:   echo,
		Handshake: func(*websocket.Config, *http.Request) error { return nil },
	})
}

func client(url string) error {
	open := func(resource string) (*websocket.Conn, error) {
		return websocket.Dial(url+resource, "", "http://127.0.0.1/")
	}
	socket, err := open("/getCaseCount")
	if err != nil {
		return err
	}
	var told string
	if err := websocket.Message.Receive(socket, &told); err != nil {
		return err
	}
	socket.Close()
	count, err := strconv.Atoi(told)
	if err != nil {
		return err
	}
	for number := 1; number <= count; number++ {
		if socket, err := open(fmt.Sprintf("/runCase?case=%d&agent=xnet", number)); err == nil {
			echo(socket)
		}
	}
	if socket, err = open("/updateReports?agent=xnet"); err == nil {
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

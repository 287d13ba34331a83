// golang.org/x/net/websocket, whose frames keep their type
package main

import (
	"net"
	"net/http"

	"golang.org/x/net/websocket"
)

const agent = "xnet"

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

func answer(socket *websocket.Conn) {
	defer socket.Close()
	for {
		var one message
		if codec.Receive(socket, &one) != nil || codec.Send(socket, &one) != nil {
			return
		}
	}
}

func serve(listener net.Listener) error {
	// A Server with a Handshake of its own demands no Origin.
	return http.Serve(listener, websocket.Server{
		Handler:   answer,
		Handshake: func(*websocket.Config, *http.Request) error { return nil },
	})
}

func dial(url string) (*websocket.Conn, error) { return websocket.Dial(url, "", "http://127.0.0.1/") }

func first(url string) (string, error) {
	socket, err := dial(url)
	if err != nil {
		return "", err
	}
	defer socket.Close()
	var told string
	err = websocket.Message.Receive(socket, &told)
	return told, err
}

func echo(url string) error {
	socket, err := dial(url)
	if err == nil {
		answer(socket)
	}
	return err
}

// gorilla/websocket
package main

import (
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

const agent = "gorilla"

var dialer = websocket.Dialer{EnableCompression: true}

func answer(socket *websocket.Conn) {
	defer socket.Close()
	for {
		kind, message, err := socket.ReadMessage()
		if err != nil || socket.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func serve(listener net.Listener) error {
	upgrader := websocket.Upgrader{EnableCompression: true, CheckOrigin: func(*http.Request) bool { return true }}
	return http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if socket, err := upgrader.Upgrade(response, request, nil); err == nil {
			answer(socket)
		}
	}))
}

func first(url string) (string, error) {
	socket, _, err := dialer.Dial(url, nil)
	if err != nil {
		return "", err
	}
	defer socket.Close()
	_, told, err := socket.ReadMessage()
	return string(told), err
}

func echo(url string) error {
	socket, _, err := dialer.Dial(url, nil)
	if err == nil {
		answer(socket)
	}
	return err
}

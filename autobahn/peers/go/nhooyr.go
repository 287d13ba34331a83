// nhooyr.io/websocket
package main

import (
	"context"
	"net"
	"net/http"

	"nhooyr.io/websocket"
)

const agent = "nhooyr"

func answer(socket *websocket.Conn) {
	defer socket.Close(websocket.StatusNormalClosure, "")
	socket.SetReadLimit(64 << 20) // its default is 32 KiB
	for {
		kind, message, err := socket.Read(context.Background())
		if err != nil || socket.Write(context.Background(), kind, message) != nil {
			return
		}
	}
}

func serve(listener net.Listener) error {
	return http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if socket, err := websocket.Accept(response, request, &websocket.AcceptOptions{InsecureSkipVerify: true}); err == nil {
			answer(socket)
		}
	}))
}

func first(url string) (string, error) {
	socket, _, err := websocket.Dial(context.Background(), url, nil)
	if err != nil {
		return "", err
	}
	defer socket.Close(websocket.StatusNormalClosure, "")
	_, told, err := socket.Read(context.Background())
	return string(told), err
}

func echo(url string) error {
	socket, _, err := websocket.Dial(context.Background(), url, nil)
	if err == nil {
		answer(socket)
	}
	return err
}

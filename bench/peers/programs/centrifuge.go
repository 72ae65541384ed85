// Publishes each line of its standard input to every client: Centrifuge, the library of Centrifugo.        centrifuge PORT
package main

import (
	"bufio"
	"context"
	"log"
	"net/http"
	"os"

	"github.com/centrifugal/centrifuge"
)

func main() {
	node, err := centrifuge.New(centrifuge.DefaultConfig)
	if err != nil {
		log.Fatal(err)
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{"show": {}},
		}, nil
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	http.Handle("/", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{UseWriteBufferPool: true}))
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)) }()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		payload := append([]byte(nil), lines.Bytes()...)
		if _, err := node.Publish("show", payload); err != nil {
			log.Fatal(err)
		}
	}
}

// A TURN client on Pion's library, over UDP: user u, password p, realm r.
//
//	pion-turnclient 127.0.0.1:3478 COUNT
//
// It allocates, sends COUNT messages to a socket of its own that echoes them, and prints what came back as JSON. The
// library sends indications until its channel is bound.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func echo(peer net.PacketConn, sources map[string]int) {
	buffer := make([]byte, 2000)
	for {
		size, from, err := peer.ReadFrom(buffer)
		if err != nil {
			return
		}
		sources[from.String()]++
		_, _ = peer.WriteTo(buffer[:size], from)
	}
}

func main() {
	count := must(strconv.Atoi(os.Args[2]))
	own := must(net.ListenPacket("udp", "127.0.0.1:0"))
	client := must(turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: os.Args[1], TURNServerAddr: os.Args[1], Conn: own,
		Username: "u", Password: "p", Realm: "r", LoggerFactory: logging.NewDefaultLoggerFactory(),
	}))
	must(0, client.Listen())
	mapped := must(client.SendBindingRequest())
	relayed := must(client.Allocate())
	peer := must(net.ListenPacket("udp", "127.0.0.1:0"))
	sources := map[string]int{}
	go echo(peer, sources)
	back := 0
	buffer := make([]byte, 2000)
	for number := 0; number < count; number++ {
		text := fmt.Sprintf("message %d", number)
		must(relayed.WriteTo([]byte(text), peer.LocalAddr()))
		_ = relayed.SetReadDeadline(time.Now().Add(2 * time.Second))
		size, from, err := relayed.ReadFrom(buffer)
		if err == nil && string(buffer[:size]) == text && from.String() == peer.LocalAddr().String() {
			back++
		}
	}
	_ = peer.Close()
	_ = relayed.Close()
	told := map[string]any{
		"mapped": mapped.String(), "own": own.LocalAddr().String(), "relayed": relayed.LocalAddr().String(),
		"back": back, "sources": len(sources), "through": sources[relayed.LocalAddr().String()],
	}
	client.Close()
	fmt.Println(string(must(json.Marshal(told))))
}

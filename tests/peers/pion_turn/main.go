// A TURN server on Pion's library, over UDP and TCP on one port of loopback: alice may come in with "wonder", bob with "builder".
//
//	pion-turn 127.0.0.1:3478
//
// It prints "ready" and serves until its standard input ends.
package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/pion/turn/v5"
)

const realm = "example.org"

var users = map[string]string{"alice": "wonder", "bob": "builder"}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func keyOf(request *turn.RequestAttributes) (string, []byte, bool) {
	password, known := users[request.Username]
	return request.Username, turn.GenerateAuthKey(request.Username, realm, password), known
}

func main() {
	place := must(net.ResolveUDPAddr("udp", os.Args[1]))
	datagrams := must(net.ListenPacket("udp", os.Args[1]))
	streams := must(net.Listen("tcp", os.Args[1]))
	relayed := &turn.RelayAddressGeneratorStatic{RelayAddress: place.IP, Address: place.IP.String()}
	must(turn.NewServer(turn.ServerConfig{
		Realm:             realm,
		AuthHandler:       keyOf,
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: datagrams, RelayAddressGenerator: relayed}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: streams, RelayAddressGenerator: relayed}},
	}))
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

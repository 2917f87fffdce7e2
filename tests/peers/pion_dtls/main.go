// One DTLS 1.2 handshake on pion/dtls. A line of JSON says how it went, like that of the programs in tests/peers/native;
// the client says hello, the server echoes one message.
//
//	pion_dtls client|server PORT CURVES MTU [nocookie]        CURVES: x25519,p256,p384 or -
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	curves "github.com/pion/dtls/v3/pkg/crypto/elliptic"
)

const patience = 40 * time.Second

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "pion_dtls:", err)
		os.Exit(1)
	}
}

func identity() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func settings() *dtls.Config {
	config := &dtls.Config{
		Certificates:       []tls.Certificate{identity()},
		InsecureSkipVerify: true,
		ClientAuth:         dtls.RequireAnyClientCert,
		SRTPProtectionProfiles: []dtls.SRTPProtectionProfile{
			dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
		},
		ExtendedMasterSecret:    dtls.RequireExtendedMasterSecret,
		InsecureSkipVerifyHello: len(os.Args) > 5,
	}
	named := map[string]curves.Curve{"x25519": curves.X25519, "p256": curves.P256, "p384": curves.P384}
	for _, name := range strings.Split(os.Args[3], ",") {
		if name != "-" {
			config.EllipticCurves = append(config.EllipticCurves, named[name])
		}
	}
	mtu, err := strconv.Atoi(os.Args[4])
	check(err)
	config.MTU = mtu
	return config
}

func connect(client bool, port int) *dtls.Conn {
	there := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	if client {
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: there.IP})
		check(err)
		connection, err := dtls.Client(socket, there, settings())
		check(err)
		return connection
	}
	listener, err := dtls.Listen("udp", there, settings())
	check(err)
	connection, err := listener.Accept()
	check(err)
	return connection.(*dtls.Conn)
}

func main() {
	client := os.Args[1] == "client"
	port, err := strconv.Atoi(os.Args[2])
	check(err)
	connection := connect(client, port)
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	check(connection.HandshakeContext(limit))
	state, ok := connection.ConnectionState()
	if !ok {
		panic("connected, and no state")
	}
	profile, _ := connection.SelectedSRTPProtectionProfile()
	keys, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 60)
	check(err)
	if client {
		_, err = connection.Write([]byte("hello"))
		check(err)
	}
	check(connection.SetReadDeadline(time.Now().Add(patience)))
	heard := make([]byte, 2048)
	size, err := connection.Read(heard)
	check(err)
	if !client {
		_, err = connection.Write(heard[:size])
		check(err)
		time.Sleep(200 * time.Millisecond)
	}
	line, err := json.Marshal(map[string]any{
		"impl": "pion", "role": os.Args[1], "version": "DTLS 1.2", "srtp": int(profile), "app": string(heard[:size]),
		"cipher": state.CipherSuiteID.String(), "exporter": hex.EncodeToString(keys[:8]),
		"peer_cert": len(state.PeerCertificates) == 1,
	})
	check(err)
	fmt.Println(string(line))
	check(connection.Close())
}

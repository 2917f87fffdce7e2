// A forwarding server on Pion, as small as it can be: one publisher, everybody else gets the same packets.
//
//	POST /publish      an offer, answered with an answer
//	POST /watch        answered with an offer, and the Location to which the answer belongs
//	POST /watch/N      that answer
//
// It prints its port as a line of JSON, and ends when standard input does. Interceptors are Pion's default ones:
// retransmission, reports, transport-wide feedback to the publisher.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/pion/webrtc/v4"
)

const maximumPacket = 1500

type server struct {
	api     *webrtc.API
	track   *webrtc.TrackLocalStaticRTP
	guard   sync.Mutex
	viewers []*webrtc.PeerConnection
}

func main() {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	track, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "camera", "publisher")
	check(err)
	it := &server{api: webrtc.NewAPI(webrtc.WithSettingEngine(settings)), track: track}

	doors := http.NewServeMux()
	doors.HandleFunc("POST /publish", say(it.publish))
	doors.HandleFunc("POST /watch", say(it.watch))
	doors.HandleFunc("POST /watch/{number}", say(it.answered))
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	go func() { check(http.Serve(listener, doors)) }()

	check(json.NewEncoder(os.Stdout).Encode(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port}))
	_, err = io.Copy(io.Discard, os.Stdin)
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal("pion_sfu: ", err)
	}
}

func say(do func(http.Header, *http.Request, string) (string, error)) http.HandlerFunc {
	return func(answer http.ResponseWriter, request *http.Request) {
		said, err := io.ReadAll(request.Body)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		text, err := do(answer.Header(), request, string(said))
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprint(answer, text)
	}
}

func (s *server) publish(_ http.Header, _ *http.Request, offer string) (string, error) {
	connection, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { s.forward(track) })
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}
	if err := connection.SetRemoteDescription(description); err != nil {
		return "", err
	}
	return described(connection, func() (webrtc.SessionDescription, error) { return connection.CreateAnswer(nil) })
}

func (s *server) watch(header http.Header, _ *http.Request, _ string) (string, error) {
	connection, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	sender, err := connection.AddTrack(s.track)
	if err != nil {
		return "", err
	}
	go drain(sender)
	s.guard.Lock()
	s.viewers = append(s.viewers, connection)
	header.Set("Location", fmt.Sprintf("/watch/%d", len(s.viewers)-1))
	s.guard.Unlock()
	return described(connection, func() (webrtc.SessionDescription, error) { return connection.CreateOffer(nil) })
}

func (s *server) answered(_ http.Header, request *http.Request, answer string) (string, error) {
	var number int
	if _, err := fmt.Sscan(request.PathValue("number"), &number); err != nil {
		return "", err
	}
	s.guard.Lock()
	defer s.guard.Unlock()
	if number < 0 || number >= len(s.viewers) {
		return "", errors.New("nobody was offered that")
	}
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}
	return "", s.viewers[number].SetRemoteDescription(description)
}

// The local half of a description, with all candidates in it.
func described(
	connection *webrtc.PeerConnection, make func() (webrtc.SessionDescription, error),
) (string, error) {
	description, err := make()
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(connection)
	if err := connection.SetLocalDescription(description); err != nil {
		return "", err
	}
	<-gathered
	return connection.LocalDescription().SDP, nil
}

func (s *server) forward(track *webrtc.TrackRemote) {
	packet := make([]byte, maximumPacket)
	for {
		count, _, err := track.Read(packet)
		if err != nil {
			return
		}
		if _, err := s.track.Write(packet[:count]); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return
		}
	}
}

// What viewers say has to be read for the interceptors to see it.
func drain(sender *webrtc.RTPSender) {
	packet := make([]byte, maximumPacket)
	for {
		if _, _, err := sender.Read(packet); err != nil {
			return
		}
	}
}

// A client of WHIP or WHEP on pion/webrtc, which speaks HTTP itself. JSON objects, one a line: `session` with what the
// POST was answered, `trickled` and `restarted` with the status of a PATCH, and every 100 ms what came until now.
//
//	pion_whip publish|watch URL [TOKEN]
//
// It takes the words `restart` and `delete`, one a line; the end of input ends it without a goodbye.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

var (
	key      = append([]byte{0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0}, make([]byte, 300)...)
	delta    = append([]byte{0x10, 0x11, 0, 0}, make([]byte, 100)...)
	sound    = make([]byte, 80)
	keyAsked atomic.Bool
	counted  = map[webrtc.RTPCodecType]*atomic.Uint64{webrtc.RTPCodecTypeAudio: {}, webrtc.RTPCodecTypeVideo: {}}
	saying   sync.Mutex
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "pion_whip:", err)
		os.Exit(1)
	}
}

func tell(what map[string]any) {
	line, err := json.Marshal(what)
	check(err)
	saying.Lock()
	defer saying.Unlock()
	fmt.Println(string(line))
}

type client struct {
	pc       *webrtc.PeerConnection
	token    string
	location string
	tag      string
	answer   string
}

func (c *client) ask(method, where, mediaType, tag, body string) (*http.Response, string) {
	request, err := http.NewRequest(method, where, strings.NewReader(body))
	check(err)
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	if tag != "" {
		request.Header.Set("If-Match", tag)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := http.DefaultClient.Do(request)
	check(err)
	octets, err := io.ReadAll(response.Body)
	check(err)
	check(response.Body.Close())
	return response, string(octets)
}

func connection() *webrtc.PeerConnection {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	media, interceptors := &webrtc.MediaEngine{}, &interceptor.Registry{}
	check(media.RegisterDefaultCodecs())
	check(webrtc.RegisterDefaultInterceptors(media, interceptors))
	api := webrtc.NewAPI(
		webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors),
	)
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	check(err)
	return pc
}

// What is sent: 30 pictures and 50 sounds a second; a keyframe when one is asked for.
func publish(pc *webrtc.PeerConnection) {
	for mime, interval := range map[string]time.Duration{
		webrtc.MimeTypeOpus: 20 * time.Millisecond, webrtc.MimeTypeVP8: 33 * time.Millisecond,
	} {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, mime, "pion")
		check(err)
		sender, err := pc.AddTrack(track)
		check(err)
		go listen(sender)
		go send(track, interval, mime == webrtc.MimeTypeVP8)
	}
}

func listen(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			if _, asks := packet.(*rtcp.PictureLossIndication); asks {
				keyAsked.Store(true)
			}
		}
	}
}

func send(track *webrtc.TrackLocalStaticRTP, interval time.Duration, isVideo bool) {
	packet := &rtp.Packet{Header: rtp.Header{Version: 2, Marker: isVideo, SequenceNumber: uint16(rand.Uint32())}}
	for range time.Tick(interval) {
		packet.Payload = sound
		packet.Timestamp += 960
		if isVideo {
			packet.Timestamp += 3000 - 960
			packet.Payload = delta
			if keyAsked.Swap(false) {
				packet.Payload = key
			}
		}
		packet.SequenceNumber++
		check(track.WriteRTP(packet))
	}
}

func watch(pc *webrtc.PeerConnection) {
	for kind := range counted {
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		_, err := pc.AddTransceiverFromKind(kind, init)
		check(err)
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			counted[track.Kind()].Add(1)
		}
	})
}

func line(name, sdp string) string {
	return regexp.MustCompile(`a=` + name + `:\S+`).FindString(sdp)
}

// The offer goes out before any candidate is there; all of them follow in one fragment.
func (c *client) open(where string) {
	gathered := webrtc.GatheringCompletePromise(c.pc)
	offer, err := c.pc.CreateOffer(nil)
	check(err)
	check(c.pc.SetLocalDescription(offer))
	response, answer := c.ask("POST", where, "application/sdp", "", offer.SDP)
	tell(map[string]any{"event": "session", "status": response.StatusCode, "links": response.Header.Values("Link")})
	if response.StatusCode != http.StatusCreated {
		os.Exit(0)
	}
	here, err := url.Parse(where)
	check(err)
	found, err := here.Parse(response.Header.Get("Location"))
	check(err)
	c.location, c.tag, c.answer = found.String(), response.Header.Get("ETag"), answer
	check(c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	<-gathered
	response, _ = c.ask("PATCH", c.location, "application/trickle-ice-sdpfrag", c.tag, c.fragment())
	tell(map[string]any{"event": "trickled", "status": response.StatusCode})
}

func (c *client) fragment() string {
	sdp := c.pc.LocalDescription().SDP
	rows := []string{line("ice-ufrag", sdp), line("ice-pwd", sdp), "m=audio 9 RTP/AVP 0", line("mid", sdp)}
	for _, candidate := range regexp.MustCompile(`a=candidate:[^\r\n]+`).FindAllString(sdp, -1) {
		rows = append(rows, candidate)
	}
	return strings.Join(append(rows, "a=end-of-candidates", ""), "\r\n")
}

func (c *client) restart() {
	gathered := webrtc.GatheringCompletePromise(c.pc)
	offer, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	check(err)
	check(c.pc.SetLocalDescription(offer))
	<-gathered
	response, fragment := c.ask("PATCH", c.location, "application/trickle-ice-sdpfrag", "*", c.fragment())
	tag := response.Header.Get("ETag")
	tell(map[string]any{"event": "restarted", "status": response.StatusCode, "new_tag": tag != "" && tag != c.tag})
	c.tag = tag
	for _, name := range []string{"ice-ufrag", "ice-pwd"} {
		c.answer = regexp.MustCompile(`a=`+name+`:\S+`).ReplaceAllString(c.answer, line(name, fragment))
	}
	check(c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: c.answer}))
}

func main() {
	pc := connection()
	c := &client{pc: pc}
	if len(os.Args) > 3 {
		c.token = os.Args[3]
	}
	map[string]func(*webrtc.PeerConnection){"publish": publish, "watch": watch}[os.Args[1]](pc)
	c.open(os.Args[2])
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			audio, video := counted[webrtc.RTPCodecTypeAudio].Load(), counted[webrtc.RTPCodecTypeVideo].Load()
			tell(map[string]any{"event": "now", "state": pc.ConnectionState().String(), "audio": audio, "video": video})
		}
	}()
	for words := bufio.NewScanner(os.Stdin); words.Scan(); {
		switch words.Text() {
		case "restart":
			c.restart()
		case "delete":
			response, _ := c.ask("DELETE", c.location, "", "", "")
			tell(map[string]any{"event": "deleted", "status": response.StatusCode})
		}
	}
}

// An ICE agent on pion/ice: one JSON object a line. Out: its credentials and candidates, then `connected` with the pair
// it chose. In: the other half; the end of input ends it. Whatever comes over the path is sent back.
//
//	pion_ice controlling|controlled full|lite
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/pion/ice/v4"
)

type half struct {
	Ufrag      string   `json:"ufrag"`
	Password   string   `json:"password"`
	Candidates []string `json:"candidates"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "pion_ice:", err)
		os.Exit(1)
	}
}

func tell(what any) {
	line, err := json.Marshal(what)
	check(err)
	fmt.Println(string(line))
}

func options(kind string) []ice.AgentOption {
	chosen := []ice.AgentOption{
		ice.WithIncludeLoopback(),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithIPFilter(func(address net.IP) bool { return address.String() == "127.0.0.1" }),
	}
	chosen = append(chosen, ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}))
	if kind == "lite" {
		chosen = append(chosen, ice.WithICELite(true))
	}
	return chosen
}

func main() {
	role, kind := os.Args[1], os.Args[2]
	agent, err := ice.NewAgentWithOptions(options(kind)...)
	check(err)
	gathered, mine := make(chan struct{}), half{Candidates: []string{}}
	check(agent.OnCandidate(func(candidate ice.Candidate) {
		if candidate == nil {
			close(gathered)
		} else {
			mine.Candidates = append(mine.Candidates, candidate.Marshal())
		}
	}))
	mine.Ufrag, mine.Password, err = agent.GetLocalUserCredentials()
	check(err)
	check(agent.GatherCandidates())
	<-gathered
	tell(mine)

	input := bufio.NewReaderSize(os.Stdin, 1<<16)
	line, err := input.ReadBytes('\n')
	check(err)
	var theirs half
	check(json.Unmarshal(line, &theirs))
	for _, text := range theirs.Candidates {
		candidate, err := ice.UnmarshalCandidate(text)
		check(err)
		check(agent.AddRemoteCandidate(candidate))
	}
	patience, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	connect := agent.Accept
	if role == "controlling" {
		connect = agent.Dial
	}
	path, err := connect(patience, theirs.Ufrag, theirs.Password)
	check(err)
	pair, err := agent.GetSelectedCandidatePair()
	check(err)
	tell(map[string]any{"connected": true, "controlling": role == "controlling", "pair": pair.String()})
	go echo(path)
	_, _ = io.Copy(io.Discard, input)
	_ = agent.Close()
}

func echo(path net.Conn) {
	octets := make([]byte, 2048)
	for {
		size, err := path.Read(octets)
		if err != nil {
			return
		}
		_, _ = path.Write(octets[:size])
	}
}

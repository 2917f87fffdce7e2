// SRTP on Pion's library, packet by packet: JSON lines in, JSON lines out.
//
//	{"op": "lock" | "unlock", "kind": "rtp" | "rtcp", "profile": 7, "key": "...", "salt": "...", "ssrc": 7,
//	 "index": 65536, "cryptex": false, "packets": ["..."]}
//
// The state of the source begins at `index`; the answer has the octets for each packet, or null for one that does not
// open: {"results": ["...", null]}.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/pion/srtp/v3"
)

const window = 128

type question struct {
	Op      string   `json:"op"`
	Kind    string   `json:"kind"`
	Profile uint16   `json:"profile"`
	Key     string   `json:"key"`
	Salt    string   `json:"salt"`
	SSRC    uint32   `json:"ssrc"`
	Index   uint64   `json:"index"`
	Cryptex bool     `json:"cryptex"`
	Packets []string `json:"packets"`
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func octets(text string) []byte {
	return must(hex.DecodeString(text))
}

func context(asked question) *srtp.Context {
	options := []srtp.ContextOption{srtp.SRTPReplayProtection(window), srtp.SRTCPReplayProtection(window)}
	if asked.Cryptex {
		options = append(options, srtp.Cryptex(srtp.CryptexModeEnabled))
	}
	made := must(srtp.CreateContext(
		octets(asked.Key), octets(asked.Salt), srtp.ProtectionProfile(asked.Profile), options...))
	if asked.Kind == "rtp" && asked.Index>>16 != 0 {
		made.SetROC(asked.SSRC, uint32(asked.Index>>16))
	} else if asked.Kind == "rtcp" && asked.Index > 1 && asked.Op == "lock" {
		made.SetIndex(asked.SSRC, uint32(asked.Index-1)) // counted up before it is used
	}
	return made
}

func answer(asked question) []*string {
	made, results := context(asked), []*string{}
	for _, packet := range asked.Packets {
		data := octets(packet)
		var out []byte
		var err error
		switch asked.Op + " " + asked.Kind {
		case "lock rtp":
			out, err = made.EncryptRTP(nil, data, nil)
		case "lock rtcp":
			out, err = made.EncryptRTCP(nil, data, nil)
		case "unlock rtp":
			out, err = made.DecryptRTP(nil, data, nil)
		case "unlock rtcp":
			out, err = made.DecryptRTCP(nil, data, nil)
		}
		if err != nil {
			results = append(results, nil)
			continue
		}
		text := hex.EncodeToString(out)
		results = append(results, &text)
	}
	return results
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(must(json.Marshal(map[string]any{"results": answer(asked)}))))
	}
}

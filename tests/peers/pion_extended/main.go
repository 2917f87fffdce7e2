// What Pion's RTCP library reads in extended reports: one JSON object a line in, one out.
//
//	{"hex": "..."}   the octets of one datagram
//
// Out: {"refused": "why"}, or in "reports" the fields as vectors/rtcp has them, and in "again" what it writes of all
// packets of the datagram. Blocks of other types are passed over.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"

	"github.com/pion/rtcp"
)

type question struct {
	Hex string `json:"hex"`
}

type delay struct {
	SSRC  uint32 `json:"ssrc"`
	Last  uint32 `json:"last_reference"`
	Since uint32 `json:"delay_since"`
}

type report struct {
	Type   string           `json:"type"`
	SSRC   uint32           `json:"ssrc"`
	Blocks []map[string]any `json:"blocks"`
}

type answer struct {
	Refused string   `json:"refused,omitempty"`
	Reports []report `json:"reports"`
	Again   string   `json:"again"`
}

func read(octets []byte) answer {
	packets, err := rtcp.Unmarshal(octets)
	if err != nil {
		return answer{Refused: err.Error()}
	}
	said := answer{Reports: []report{}}
	for _, packet := range packets {
		if extended, ok := packet.(*rtcp.ExtendedReport); ok {
			said.Reports = append(said.Reports, blocks(extended))
		}
	}
	again, err := rtcp.Marshal(packets)
	if err != nil {
		return answer{Refused: err.Error()}
	}
	said.Again = hex.EncodeToString(again)
	return said
}

func blocks(extended *rtcp.ExtendedReport) report {
	said := report{Type: "ExtendedReport", SSRC: extended.SenderSSRC, Blocks: []map[string]any{}}
	for _, block := range extended.Reports {
		switch one := block.(type) {
		case *rtcp.ReceiverReferenceTimeReportBlock:
			clock := strconv.FormatUint(one.NTPTimestamp, 10)
			said.Blocks = append(said.Blocks, map[string]any{"type": "ReferenceTime", "ntp": clock})
		case *rtcp.DLRRReportBlock:
			delays := []delay{}
			for _, each := range one.Reports {
				delays = append(delays, delay{each.SSRC, each.LastRR, each.DLRR})
			}
			said.Blocks = append(said.Blocks, map[string]any{"type": "ReferenceDelays", "delays": delays})
		}
	}
	return said
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		asked := question{}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		octets, err := hex.DecodeString(asked.Hex)
		if err != nil {
			panic(err)
		}
		if err := out.Encode(read(octets)); err != nil {
			panic(err)
		}
	}
}

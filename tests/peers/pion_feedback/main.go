// What Pion's RTCP library reads in congestion control feedback: one JSON object a line in, one out.
//
//	{"hex": "..."}   the octets of one datagram
//
// Out: {"refused": "why"}, or the fields as vectors/feedback has them, and in "again" what it writes of them.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/pion/rtcp"
)

type question struct {
	Hex string `json:"hex"`
}

type stream struct {
	SSRC     uint32 `json:"ssrc"`
	First    uint16 `json:"first_sequence"`
	Arrivals []*int `json:"arrivals"`
	Marks    []int  `json:"marks"`
}

type answer struct {
	Refused string   `json:"refused,omitempty"`
	Sender  uint32   `json:"sender_ssrc"`
	Time    uint32   `json:"time"`
	Streams []stream `json:"streams"`
	Again   string   `json:"again"`
}

func read(octets []byte) answer {
	packets, err := rtcp.Unmarshal(octets)
	if err != nil {
		return answer{Refused: err.Error()}
	}
	if len(packets) != 1 {
		return answer{Refused: fmt.Sprintf("%d packets", len(packets))}
	}
	report, ok := packets[0].(*rtcp.CCFeedbackReport)
	if !ok {
		return answer{Refused: fmt.Sprintf("a %T", packets[0])}
	}
	said := answer{Sender: report.SenderSSRC, Time: report.ReportTimestamp, Streams: []stream{}}
	for _, block := range report.ReportBlocks {
		one := stream{SSRC: block.MediaSSRC, First: block.BeginSequence, Arrivals: []*int{}, Marks: []int{}}
		for _, metric := range block.MetricBlocks {
			one.Marks = append(one.Marks, int(metric.ECN))
			if !metric.Received {
				one.Arrivals = append(one.Arrivals, nil)
				continue
			}
			offset := int(metric.ArrivalTimeOffset)
			one.Arrivals = append(one.Arrivals, &offset)
		}
		said.Streams = append(said.Streams, one)
	}
	again, err := report.Marshal()
	if err != nil {
		return answer{Refused: err.Error()}
	}
	said.Again = hex.EncodeToString(again)
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

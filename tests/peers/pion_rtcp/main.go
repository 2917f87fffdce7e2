// What Pion's RTCP library reads in congestion control feedback and in extended reports: one JSON object a line in, one out.
//
//	{"hex": "..."}   the octets of one datagram
//
// Out: {"refused": "why"}, or in "packets" the fields of each such packet as the vectors have them, and in "again" what
// it writes of all packets of the datagram. Packets of other types, and blocks of other reports, are passed over.
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

type answer struct {
	Refused string `json:"refused,omitempty"`
	Packets []any  `json:"packets"`
	Again   string `json:"again"`
}

type stream struct {
	SSRC     uint32 `json:"ssrc"`
	First    uint16 `json:"first_sequence"`
	Arrivals []*int `json:"arrivals"`
	Marks    []int  `json:"marks"`
}

type feedback struct {
	Sender  uint32   `json:"sender_ssrc"`
	Time    uint32   `json:"time"`
	Streams []stream `json:"streams"`
}

type delay struct {
	SSRC  uint32 `json:"ssrc"`
	Last  uint32 `json:"last_reference"`
	Since uint32 `json:"delay_since"`
}

type extended struct {
	Type   string           `json:"type"`
	SSRC   uint32           `json:"ssrc"`
	Blocks []map[string]any `json:"blocks"`
}

func read(octets []byte) answer {
	packets, err := rtcp.Unmarshal(octets)
	if err != nil {
		return answer{Refused: err.Error()}
	}
	said := answer{Packets: []any{}}
	for _, packet := range packets {
		switch one := packet.(type) {
		case *rtcp.CCFeedbackReport:
			said.Packets = append(said.Packets, streams(one))
		case *rtcp.ExtendedReport:
			said.Packets = append(said.Packets, blocks(one))
		}
	}
	again, err := rtcp.Marshal(packets)
	if err != nil {
		return answer{Refused: err.Error()}
	}
	said.Again = hex.EncodeToString(again)
	return said
}

func streams(report *rtcp.CCFeedbackReport) feedback {
	said := feedback{report.SenderSSRC, report.ReportTimestamp, []stream{}}
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
	return said
}

func blocks(report *rtcp.ExtendedReport) extended {
	said := extended{"ExtendedReport", report.SenderSSRC, []map[string]any{}}
	for _, block := range report.Reports {
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

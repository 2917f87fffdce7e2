// What Pion's congestion controller makes of packets and feedback, in virtual time: one JSON object a line in, one out.
//
//	{"start_bps": 1, "minimum_bps": 1, "maximum_bps": 1, "sent": [[microseconds, size], ...],
//	 "told": [{"at_us": 1, "time_us": 1, "first": 0, "offsets": [ticks or null, ...]}, ...], "ask_us": [1, ...]}
//
// Packets are numbered from 0 in the order of `sent`. A feedback tells of the packets from `first` on: 1/1024 s before
// `time_us`, by its sender's clock, or null. Out: {"targets": [bits a second at each time of `ask_us`]}.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"sort"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

const ssrc = 9

type feedback struct {
	At      int64  `json:"at_us"`
	Time    int64  `json:"time_us"`
	First   uint16 `json:"first"`
	Offsets []*int `json:"offsets"`
}

type question struct {
	Start   int        `json:"start_bps"`
	Minimum int        `json:"minimum_bps"`
	Maximum int        `json:"maximum_bps"`
	Sent    [][2]int64 `json:"sent"`
	Told    []feedback `json:"told"`
	Ask     []int64    `json:"ask_us"`
}

type moment struct {
	at   int64
	what func()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func play(asked question) []int {
	begin := time.Now()
	estimator, err := gcc.NewSendSideBWE(
		gcc.SendSideBWEInitialBitrate(asked.Start), gcc.SendSideBWEMinBitrate(asked.Minimum),
		gcc.SendSideBWEMaxBitrate(asked.Maximum), gcc.SendSideBWEPacer(gcc.NewNoOpPacer()),
	)
	must(err)
	nowhere := interceptor.RTPWriterFunc(func(*rtp.Header, []byte, interceptor.Attributes) (int, error) { return 0, nil })
	out := estimator.AddStream(&interceptor.StreamInfo{SSRC: ssrc}, nowhere)
	targets := []int{}
	moments := []moment{}
	for number, packet := range asked.Sent {
		moments = append(moments, moment{packet[0], func() {
			header := &rtp.Header{Version: 2, SSRC: ssrc, SequenceNumber: uint16(number)}
			_, err := out.Write(header, make([]byte, packet[1]), interceptor.Attributes{})
			must(err)
		}})
	}
	for _, told := range asked.Told {
		moments = append(moments, moment{told.At, func() {
			block := rtcp.CCFeedbackReportBlock{MediaSSRC: ssrc, BeginSequence: told.First}
			for _, offset := range told.Offsets {
				metric := rtcp.CCFeedbackMetricBlock{}
				if offset != nil {
					metric.Received, metric.ArrivalTimeOffset = true, uint16(*offset)
				}
				block.MetricBlocks = append(block.MetricBlocks, metric)
			}
			report := &rtcp.CCFeedbackReport{
				ReportBlocks: []rtcp.CCFeedbackReportBlock{block}, ReportTimestamp: uint32(told.Time * 65536 / 1e6),
			}
			must(estimator.WriteRTCP([]rtcp.Packet{report}, nil))
		}})
	}
	for _, at := range asked.Ask {
		moments = append(moments, moment{at, func() { targets = append(targets, estimator.GetTargetBitrate()) }})
	}
	sort.SliceStable(moments, func(i, j int) bool { return moments[i].at < moments[j].at })
	for _, each := range moments {
		time.Sleep(time.Until(begin.Add(time.Duration(each.at) * time.Microsecond)))
		each.what()
		synctest.Wait()
	}
	must(estimator.Close())
	return targets
}

func main() {
	questions := []question{}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		must(err)
		asked := question{}
		must(json.Unmarshal(line, &asked))
		questions = append(questions, asked)
	}
	// Virtual time is for tests alone, so this is one.
	os.Args = os.Args[:1]
	said := json.NewEncoder(os.Stderr)
	all := func(string, string) (bool, error) { return true, nil }
	replay := testing.InternalTest{Name: "replay", F: func(t *testing.T) {
		for _, asked := range questions {
			synctest.Test(t, func(*testing.T) { must(said.Encode(map[string][]int{"targets": play(asked)})) })
		}
	}}
	testing.Main(all, []testing.InternalTest{replay}, nil, nil)
}

// What Pion's library reads in payloads of video: one JSON object a line in, one out.
//
//	{"what": "vp9" | "h264" | "av1", "hex": "..."}   a payload
//	{"what": "unit", "hex": "..."}                   an OBU of AV1
//
// Out: {"refused": "why"}, or what the library tells of it, under its own names.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/pion/rtp/codecs"
	"github.com/pion/rtp/codecs/av1/obu"
)

type question struct {
	What string `json:"what"`
	Hex  string `json:"hex"`
}

type answer = map[string]any

func numbers(values []uint8) []int {
	said := []int{}
	for _, value := range values {
		said = append(said, int(value))
	}
	return said
}

func vp9(payload []byte) (answer, error) {
	read := codecs.VP9Packet{}
	rest, err := read.Unmarshal(payload)
	groups := [][]int{}
	for _, references := range read.PGPDiff {
		groups = append(groups, numbers(references))
	}
	return answer{
		"I": read.I, "P": read.P, "L": read.L, "F": read.F, "B": read.B, "E": read.E, "V": read.V, "Z": read.Z,
		"PictureID": read.PictureID, "TID": read.TID, "U": read.U, "SID": read.SID, "D": read.D,
		"PDiff": numbers(read.PDiff), "TL0PICIDX": read.TL0PICIDX, "NS": read.NS, "Y": read.Y, "G": read.G,
		"Width": read.Width, "Height": read.Height, "PGTID": numbers(read.PGTID), "PGU": read.PGU, "PGPDiff": groups,
		"size": len(payload) - len(rest),
	}, err
}

func h264(payload []byte) (answer, error) {
	read := codecs.H264Packet{}
	stream, err := read.Unmarshal(payload)
	return answer{"stream": hex.EncodeToString(stream), "head": read.IsPartitionHead(payload)}, err
}

func av1(payload []byte) (answer, error) {
	read := codecs.AV1Packet{}
	_, err := read.Unmarshal(payload)
	elements := []string{}
	for _, element := range read.OBUElements {
		elements = append(elements, hex.EncodeToString(element))
	}
	return answer{"Z": read.Z, "Y": read.Y, "W": read.W, "N": read.N, "elements": elements}, err
}

func unit(octets []byte) (answer, error) {
	header, err := obu.ParseOBUHeader(octets)
	if err != nil {
		return nil, err
	}
	said := answer{"kind": header.Type, "layers": nil}
	if extension := header.ExtensionHeader; extension != nil {
		said["layers"] = []int{int(extension.TemporalID), int(extension.SpatialID)}
	}
	body := octets[header.Size():]
	if header.HasSizeField {
		size, length, err := obu.ReadLeb128(body)
		if err != nil || int(length)+int(size) > len(body) {
			return nil, errors.New("shorter than its size")
		}
		body = body[length : int(length)+int(size)]
	}
	said["body"] = hex.EncodeToString(body)
	return said, nil
}

func say(asked question) (answer, error) {
	payload, err := hex.DecodeString(asked.Hex)
	if err != nil {
		return nil, err
	}
	switch asked.What {
	case "vp9":
		return vp9(payload)
	case "h264":
		return h264(payload)
	case "av1":
		return av1(payload)
	}
	return unit(payload)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		asked := question{}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		said, err := say(asked)
		if err != nil {
			said = answer{"refused": err.Error()}
		}
		line, _ := json.Marshal(said)
		fmt.Println(string(line))
	}
}

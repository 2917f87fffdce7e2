// Reads and writes journals as docs/journal.md says, and knows nothing else of them: a line of JSON in, one out.
// The questions and answers are those of tests/peers/journal_reader.mjs.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"os"
	"unicode/utf8"
)

var magic = []byte{0x89, 'M', 'R', 'J', '\r', '\n', 0x1a, '\n'}

type question struct {
	What    string   `json:"what"`
	Hex     string   `json:"hex"`
	Header  string   `json:"header"`
	Records [][2]any `json:"records"`
	End     *uint64  `json:"end"`
}

func recoverAll(data []byte) any {
	nothing := map[string]any{"nothing": true}
	if len(data) < 16 || !bytes.Equal(data[:8], magic) || binary.BigEndian.Uint16(data[8:]) != 1 {
		return nothing
	}
	end := 16 + int(binary.BigEndian.Uint16(data[10:]))
	if len(data) < end {
		return nothing
	}
	sum := crc32.NewIEEE()
	sum.Write(data[:12])
	sum.Write(data[16:end])
	var header map[string]any
	text := data[16:end]
	if sum.Sum32() != binary.BigEndian.Uint32(data[12:]) || !utf8.Valid(text) || json.Unmarshal(text, &header) != nil || header == nil {
		return nothing
	}
	records, closed := [][2]any{}, false
	for len(data)-end >= 14 && !closed {
		length := int(binary.BigEndian.Uint16(data[end+8:]))
		if len(data)-end-14 < length {
			break
		}
		content := data[end+14 : end+14+length]
		sum.Write(data[end : end+10])
		sum.Write(content)
		if sum.Sum32() != binary.BigEndian.Uint32(data[end+10:]) {
			break
		}
		if length == 0 {
			closed = true
		} else {
			records = append(records, [2]any{binary.BigEndian.Uint64(data[end:]), hex.EncodeToString(content)})
		}
		end += 14 + length
	}
	return map[string]any{"header": header, "records": records, "size": end, "closed": closed}
}

func writeAll(asked question) any {
	head := binary.BigEndian.AppendUint16(append([]byte{}, magic...), 1)
	head = binary.BigEndian.AppendUint16(head, uint16(len(asked.Header)))
	sum := crc32.NewIEEE()
	sum.Write(head)
	sum.Write([]byte(asked.Header))
	octets := append(binary.BigEndian.AppendUint32(head, sum.Sum32()), asked.Header...)
	add := func(at uint64, content []byte) {
		piece := binary.BigEndian.AppendUint64(nil, at)
		piece = binary.BigEndian.AppendUint16(piece, uint16(len(content)))
		sum.Write(piece)
		sum.Write(content)
		octets = append(octets, piece...)
		octets = append(binary.BigEndian.AppendUint32(octets, sum.Sum32()), content...)
	}
	for _, record := range asked.Records {
		content, err := hex.DecodeString(record[1].(string))
		if err != nil || len(content) < 1 || len(content) > 65535 {
			return map[string]any{"refused": true}
		}
		add(uint64(record[0].(float64)), content)
	}
	if asked.End != nil {
		add(*asked.End, nil)
	}
	return map[string]any{"hex": hex.EncodeToString(octets)}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if asked.What == "write" {
			out.Encode(writeAll(asked))
			continue
		}
		data, err := hex.DecodeString(asked.Hex)
		if err != nil {
			panic(err)
		}
		out.Encode(recoverAll(data))
	}
}

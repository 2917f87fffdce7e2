// What Pion's libraries read in STUN messages: one JSON object a line in, one out.
//
//	{"hex": "...", "key": "..."}   the octets of a message, and the key of its integrity
//
// Out: {"refused": "why"}, or class, method, transaction, the types of the attributes in their order, what its getters
// make of those it has getters for, and whether integrity and fingerprint fit (null: there is none).
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
)

type question struct {
	Hex string `json:"hex"`
	Key string `json:"key"`
}

type getter func(*stun.Message) (any, error)

type place struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

func text(kind stun.AttrType) getter {
	return func(message *stun.Message) (any, error) {
		value := stun.TextAttribute{}
		err := value.GetFromAs(message, kind)
		return string(value), err
	}
}

func plain(kind stun.AttrType) getter {
	return func(message *stun.Message) (any, error) {
		value := stun.MappedAddress{}
		err := value.GetFromAs(message, kind)
		return place{value.IP.String(), value.Port}, err
	}
}

func tieBreaker(message *stun.Message) (any, error) {
	value := ice.AttrControl{}
	err := value.GetFrom(message)
	return strconv.FormatUint(value.Tiebreaker, 10), err
}

var getters = map[stun.AttrType]getter{
	stun.AttrUsername:        text(stun.AttrUsername),
	stun.AttrRealm:           text(stun.AttrRealm),
	stun.AttrNonce:           text(stun.AttrNonce),
	stun.AttrSoftware:        text(stun.AttrSoftware),
	stun.AttrMappedAddress:   plain(stun.AttrMappedAddress),
	stun.AttrAlternateServer: plain(stun.AttrAlternateServer),
	stun.AttrICEControlled:   tieBreaker,
	stun.AttrICEControlling:  tieBreaker,
	stun.AttrXORMappedAddress: func(message *stun.Message) (any, error) {
		value := stun.XORMappedAddress{}
		err := value.GetFrom(message)
		return place{value.IP.String(), value.Port}, err
	},
	stun.AttrErrorCode: func(message *stun.Message) (any, error) {
		value := stun.ErrorCodeAttribute{}
		err := value.GetFrom(message)
		return map[string]any{"code": value.Code, "reason": string(value.Reason)}, err
	},
	stun.AttrUnknownAttributes: func(message *stun.Message) (any, error) {
		value := stun.UnknownAttributes{}
		err := value.GetFrom(message)
		return value, err
	},
	stun.AttrPriority: func(message *stun.Message) (any, error) {
		value := ice.PriorityAttr(0)
		err := value.GetFrom(message)
		return uint32(value), err
	},
	stun.AttrUseCandidate: func(message *stun.Message) (any, error) {
		return ice.UseCandidate().IsSet(message), nil
	},
}

func parse(octets, key []byte) map[string]any {
	message := &stun.Message{Raw: octets}
	if err := message.Decode(); err != nil {
		return map[string]any{"refused": err.Error()}
	}
	types, values := []int{}, map[string]any{}
	for _, each := range message.Attributes {
		types = append(types, int(each.Type))
		name := strconv.Itoa(int(each.Type))
		if get, known := getters[each.Type]; known {
			value, err := get(message)
			if err != nil {
				return map[string]any{"refused": err.Error()}
			}
			values[name] = value
		} else if _, seen := values[name]; !seen {
			values[name] = map[string]string{"hex": hex.EncodeToString(each.Value)}
		}
	}
	said := map[string]any{
		"class": message.Type.Class.String(), "method": int(message.Type.Method),
		"transaction": hex.EncodeToString(message.TransactionID[:]), "types": types, "values": values,
		"integrity": nil, "fingerprint": nil,
	}
	if message.Contains(stun.AttrMessageIntegrity) {
		said["integrity"] = stun.MessageIntegrity(key).Check(message) == nil
	}
	if message.Contains(stun.AttrFingerprint) {
		said["fingerprint"] = stun.Fingerprint.Check(message) == nil
	}
	return said
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		asked := question{}
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		octets, _ := hex.DecodeString(asked.Hex)
		key, _ := hex.DecodeString(asked.Key)
		line, _ := json.Marshal(parse(octets, key))
		fmt.Println(string(line))
	}
}

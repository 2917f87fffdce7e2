// What LiveKit's server reads in video: one JSON object a line in, one out.
//
//	{"what": "keyframe", "codec": "h264" | "vp9" | "av1", "hex": "..."}   a payload
//	{"what": "descriptor", "hex": "...", "after": "..."}   a dependency descriptor, and one that brought its structure
//
// Out: {"refused": "why"}, {"keyframe": ...}, or the fields of the descriptor. What it writes is not asked for: it may
// name a template of another layer (findBestTemplate looks on behind those of the frame's own).
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/livekit/livekit-server/pkg/sfu/rtpextension/dependencydescriptor"
	"github.com/livekit/mediatransportutil/pkg/codec"
)

type question struct {
	What  string `json:"what"`
	Codec string `json:"codec"`
	Hex   string `json:"hex"`
	After string `json:"after"`
}

type answer = map[string]any

func read(text string, held *dependencydescriptor.FrameDependencyStructure) (*dependencydescriptor.DependencyDescriptor, error) {
	octets, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	descriptor := dependencydescriptor.DependencyDescriptor{}
	extension := dependencydescriptor.DependencyDescriptorExtension{Descriptor: &descriptor, Structure: held}
	_, err = extension.Unmarshal(octets)
	return &descriptor, err
}

func structureOf(held *dependencydescriptor.FrameDependencyStructure) answer {
	if held == nil {
		return nil
	}
	templates := []answer{}
	for _, each := range held.Templates {
		templates = append(templates, frame(each))
	}
	return answer{
		"first_id": held.StructureId, "targets": held.NumDecodeTargets, "chains": held.NumChains,
		"protected_by": held.DecodeTargetProtectedByChain, "resolutions": held.Resolutions, "templates": templates,
	}
}

func frame(each *dependencydescriptor.FrameDependencyTemplate) answer {
	return answer{
		"spatial_layer": each.SpatialId, "temporal_layer": each.TemporalId, "indications": each.DecodeTargetIndications,
		"frame_differences": each.FrameDiffs, "chain_differences": each.ChainDiffs,
	}
}

func say(asked question) (answer, error) {
	if asked.What == "keyframe" {
		octets, err := hex.DecodeString(asked.Hex)
		return answer{"keyframe": codec.IsKeyFrame(asked.Codec, octets)}, err
	}
	var held *dependencydescriptor.FrameDependencyStructure
	if asked.After != "" {
		before, err := read(asked.After, nil)
		if err != nil {
			return nil, err
		}
		held = before.AttachedStructure
	}
	descriptor, err := read(asked.Hex, held)
	if err != nil {
		return nil, err
	}
	return answer{
		"start": descriptor.FirstPacketInFrame, "end": descriptor.LastPacketInFrame,
		"frame_number": descriptor.FrameNumber, "frame": frame(descriptor.FrameDependencies),
		"resolution": descriptor.Resolution, "active_targets": descriptor.ActiveDecodeTargetsBitmask,
		"structure": structureOf(descriptor.AttachedStructure),
	}, nil
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

"""What a forwarder needs to know of a codec: a row for each, with how its packets are read and written.

`read` makes an `Incoming` of a packet: may a viewer begin here, which layers is it of, may they be entered here, and
which numbers has each viewer's stream of its own. `write` puts these numbers back. H264 has none in its payload, AV1
has them in a header extension, the dependency descriptor. VP8, which most send, is the row that
`media/rewriting` has built in. Stands beside `media/rewriting`, below `meeting/up` and `meeting/forwarder`.
Specification: RFC 7741 and RFC 9628 section 4.2, RFC 6184 section 5.4, RTP Payload Format For AV1 section 4 and
appendix A. Leaves out: telling viewers by active decode targets what is left out. Read next: `media/rewriting.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from meetref.media.rewriting import (
    VP8_WRITING,
    Incoming,
    Writing,
    evened,
    hollow,
    opened,
    read_audio,
    read_video,
)
from meetref.media.sequence import Unwrapper
from meetref.media.thinning import ALL_LAYERS
from meetref.wire import av1, dependencydescriptor, h264, rtp, vp9
from meetref.wire.dependencydescriptor import SWITCH, Structure
from meetref.wire.reader import Malformed

Read = Callable[[bytes, int], Incoming]
"""A packet and its extended sequence number in. Raises `Malformed`."""


@dataclass(slots=True, frozen=True)
class Format:
    """A codec. `reader` makes what reads one stream, given the ids of two header extensions (0: not there): the audio
    level, and the dependency descriptor."""

    reader: Callable[[int, int], Read]
    writing: Writing = VP8_WRITING


class SwitchPoints:
    """From which pictures on a higher temporal layer can be decoded, where pictures say it of those behind them.

    VP9 and the dependency descriptor mark a picture behind which nothing of layers up to some refers to what was before
    it; a viewer enters a layer with its first picture behind that, unless packets are missing in between.
    """

    __slots__ = ("_newest", "_open", "_picture", "_sync")

    def __init__(self) -> None:
        self._newest: int | None = None
        self._picture: int | None = None
        self._open = [False] * (ALL_LAYERS + 1)
        self._sync = False

    def take(self, sequence: int, picture: int, temporal: int, opens: int) -> bool:
        """Whether a viewer of the layers below may begin with layer `temporal` at this picture.

        `opens` is the highest layer that may be entered behind it. Packets of one picture get the same answer. Packets
        show what is missing: pictures of VP9 are counted, but in AV1 several encodings share the numbers of frames.
        """
        newest = self._newest
        if newest is not None and sequence < newest:
            return self._sync and picture == self._picture
        self._newest = sequence
        if newest is not None and sequence > newest + 1:
            self._open = [False] * len(self._open)
        if picture == self._picture:
            return self._sync
        self._picture = picture
        self._sync, self._open[temporal] = self._open[temporal], False
        for layer in range(temporal + 1, opens + 1):
            self._open[layer] = True
        return self._sync


@dataclass(slots=True, frozen=True)
class Look:
    """What is looked for in a payload: may a viewer begin here, and how large is the picture?"""

    begins: Callable[[bytes], bool]
    size: Callable[[bytes], tuple[int, int] | None]


# A viewer begins where the parameters are, which WebRTC sends in front of every keyframe.
LOOK_H264 = Look(h264.carries_parameters, h264.size_of_keyframe)  # spec: h264/begin-with-parameters
LOOK_AV1 = Look(av1.is_keyframe, av1.size_of_keyframe)


class Vp9Reader:
    """Reads one stream of VP9."""

    __slots__ = ("_has_sizes", "_points", "_short")

    def __init__(self) -> None:
        self._short = Unwrapper(7)
        self._points = SwitchPoints()
        self._has_sizes = False  # there are spatial layers

    def __call__(self, data: bytes, sequence: int) -> Incoming:
        marker, timestamp, payload = opened(data)
        if not payload:
            return hollow(sequence, timestamp)
        packet = Incoming(sequence, timestamp, marker, payload, vp9.is_keyframe(payload))
        if packet.starts:
            packet.size = vp9.size_of_keyframe(payload)
        layout = vp9.locate(payload)
        if layout.picture_id is not None:
            is_long = payload[layout.picture_id_at] & vp9.M
            packet.picture = layout.picture_id if is_long else self._short.unwrap(layout.picture_id)
            packet.lead = payload[:1]
            packet.tail = payload[layout.rest :]
            if layout.layers_at >= 0:
                octet = payload[layout.layers_at]
                packet.lead += payload[layout.layers_at : layout.layers_at + 1]
                packet.tl0 = layout.tl0_picture_index
                packet.temporal = min(layout.temporal_layer, ALL_LAYERS)
                # spec: vp9/switching-up-point
                opens = ALL_LAYERS if octet & vp9.U or packet.starts else packet.temporal
                packet.sync = self._points.take(sequence, packet.picture, packet.temporal, opens)
                if self._has_sizes or payload[0] & vp9.V or layout.spatial_layer:
                    self._see_sizes(packet, payload, layout)
        return evened(packet)

    def _see_sizes(self, packet: Incoming, payload: bytes, layout: vp9.Layout) -> None:
        """Which spatial layer it is, where there are several."""
        if payload[0] & vp9.V:
            structure = vp9.read_structure(payload, layout.structure_at)
            self._has_sizes = structure.spatial_layers > 1
            packet.sizes = structure.sizes or () if self._has_sizes else ()
        if self._has_sizes or layout.spatial_layer:
            self._has_sizes = True
            packet.spatial = min(layout.spatial_layer, ALL_LAYERS)
            packet.ends = bool(payload[0] & vp9.E)


def _write_vp9(lead: bytes, picture: int, tl0: int | None) -> bytes:
    """The picture id always has 15 bits here."""
    descriptor = lead[:1] + (0x8000 | picture).to_bytes(2) + lead[1:]
    return descriptor if tl0 is None else descriptor + bytes((tl0,))


def _begins_vp9(packet: Incoming) -> bool:
    """Or its spatial layer."""
    return bool(packet.lead[0] & vp9.B)


class DescribedReader:
    """Reads one stream whose layers and frame numbers its dependency descriptors tell, if there are any."""

    __slots__ = ("_frames", "_identifier", "_look", "_points", "_structure")

    def __init__(self, look: Look, identifier: int) -> None:
        self._look = look
        self._identifier = identifier
        self._structure: Structure | None = None
        self._frames = Unwrapper()
        self._points = SwitchPoints()

    def __call__(self, data: bytes, sequence: int) -> Incoming:
        marker, timestamp, payload = opened(data)
        if not payload:
            return hollow(sequence, timestamp)
        packet = Incoming(sequence, timestamp, marker, payload, self._look.begins(payload))
        if packet.starts:
            packet.size = self._look.size(payload)
        found = rtp.find_extension(data, self._identifier) if self._identifier else None
        if found is not None:
            self._describe(packet, data[found[0] : found[0] + found[1]])
        return evened(packet)

    def _describe(self, packet: Incoming, value: bytes) -> None:
        if len(value) < dependencydescriptor.SMALLEST:
            return
        number = self._frames.unwrap(value[1] << 8 | value[2])
        packet.picture = number
        packet.lead = value[:1] + value[3:]
        try:
            read = dependencydescriptor.parse(value, self._structure)
        except Malformed:  # the structure may yet come: until then it goes as a picture of the lowest layer
            return
        if read.structure is not None:
            self._structure = read.structure
        if self._structure is None:
            return
        frame = dependencydescriptor.frame_of(read, self._structure)
        packet.temporal = min(frame.temporal_layer, ALL_LAYERS)
        if packet.starts and packet.size is None:
            packet.size = frame.resolution
        if self._structure.templates[-1].spatial_layer:
            packet.spatial, packet.ends = min(frame.spatial_layer, ALL_LAYERS), read.end
            packet.sizes = read.structure.resolutions or () if read.structure is not None else ()
        # spec: av1/switch-indication
        opens = [
            layers[1]
            for layers, indication in zip(self._structure.target_layers, frame.indications, strict=True)
            if indication == SWITCH
        ]
        packet.sync = self._points.take(
            packet.sequence, number, packet.temporal, min(max(opens, default=0), ALL_LAYERS)
        )


def _write_descriptor(lead: bytes, picture: int, tl0: int | None) -> bytes:
    return lead[:1] + picture.to_bytes(2) + lead[1:]  # spec: av1/frame-numbers-continue


def _begins_described(packet: Incoming) -> bool:
    return bool(packet.lead[0] & 0x80)


_DESCRIBED = Writing(_write_descriptor, _begins_described, cycle=1 << 16, closes_up=False, in_header=True)

FORMATS: Mapping[str, Format] = {
    "opus": Format(lambda level, _: partial(read_audio, level_id=level)),
    "VP8": Format(lambda *_: partial(read_video, short_pictures=Unwrapper(7))),
    "VP9": Format(lambda *_: Vp9Reader(), Writing(_write_vp9, _begins_vp9, closes_up=False)),
    "H264": Format(lambda _, identifier: DescribedReader(LOOK_H264, identifier), _DESCRIBED),
    "AV1": Format(lambda _, identifier: DescribedReader(LOOK_AV1, identifier), _DESCRIBED),
}
"""By the names in SDP."""

"""VP9 in RTP: the descriptor in front of every payload, its scalability structure, and the head of a keyframe.

Stands above `wire/reader` and `wire/bits`. `parse` and `serialize` are the pair; `locate`, `is_keyframe` and
`size_of_keyframe` look into a payload in place, for forwarding, where a descriptor is rewritten and never rebuilt.
Specification: RFC 9628 sections 4.2 and 4.2.1; VP9 bitstream specification section 6.2 (uncompressed header).
Leaves out: following the pictures of a group (who refers to whom is the decoder's business), and cutting frames.
Read next: `wire/dependencydescriptor.py`, which tells the same of any codec.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from meetref.wire.bits import BitReader
from meetref.wire.reader import Malformed
from meetref.wire.rtp import Octets

#         0 1 2 3 4 5 6 7
#        |I|P|L|F|B|E|V|Z|   always
#    I:  |M| PICTURE ID  |   7 bits, or with M 15 bits in two octets
#    L:  | TID |U| SID |D|
#    L:  |   TL0PICIDX   |   only without F
#  P,F:  | P_DIFF      |N|   up to three; N: another one follows
#    V:  | N_S |Y|G|-|-|-|   and what they announce, see `Structure`
I, P, L, F, B, E, V, Z = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01  # noqa: E741
M, U, D, N = 0x80, 0x10, 0x01, 0x01
Y, G = 0x10, 0x08

MOST_REFERENCES = 3
SYNC_CODE = 0x498342
RGB = 7  # color_space


@dataclass(slots=True)
class GroupPicture:
    """One picture of the group that recurs. `references` say how many pictures back, 1 to 255, at most three."""

    temporal_layer: int = 0
    switching_up: bool = False
    references: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Structure:
    """The scalability structure. `sizes` are width and height of each spatial layer, from the lowest.

    `pictures` is the group; None where it is not described, and empty where it is said to have no picture.
    """

    spatial_layers: int = 1
    sizes: list[tuple[int, int]] | None = None
    pictures: list[GroupPicture] | None = None


@dataclass(slots=True)
class Descriptor:
    """The descriptor of one packet; None is a field that is not there.

    `start` and `end` are those of a frame, of which a picture has one for each spatial layer. `predicted`: the frame
    refers to earlier pictures; `inter_layer`: to the layer below in the same picture. `layers` is (temporal, spatial).
    `references` exist in flexible mode, TL0PICIDX in the other. `size`, in octets, is known once parsed.
    """

    start: bool = False
    end: bool = False
    predicted: bool = False
    flexible: bool = False
    not_for_upper: bool = False
    picture_id: int | None = None
    long_picture_id: bool = False
    layers: tuple[int, int] | None = None
    switching_up: bool = False
    inter_layer: bool = False
    tl0_picture_index: int | None = None
    references: list[int] = field(default_factory=list)
    structure: Structure | None = None
    size: int = field(default=0, compare=False)


def parse(payload: Octets, offset: int = 0) -> Descriptor:
    """Read the descriptor at `offset`. Reserved bits are ignored. Raises `Malformed`."""
    layout = locate(payload, offset)
    first = payload[offset]
    descriptor = Descriptor(
        start=bool(first & B),
        end=bool(first & E),
        predicted=bool(first & P),
        flexible=bool(first & F and first & I),
        not_for_upper=bool(first & Z),
        picture_id=layout.picture_id,
        long_picture_id=layout.picture_id is not None and bool(payload[layout.picture_id_at] & M),
        tl0_picture_index=layout.tl0_picture_index,
        size=layout.end - offset,
    )
    if first & L:
        octet = payload[layout.layers_at]
        descriptor.layers = layout.temporal_layer, layout.spatial_layer
        descriptor.switching_up, descriptor.inter_layer = bool(octet & U), bool(octet & D)
    if descriptor.flexible and first & P:
        at = layout.rest
        descriptor.references = [octet >> 1 for octet in payload[at : layout.structure_at]]
        if 0 in descriptor.references:  # spec: vp9/reference-not-itself
            raise Malformed("VP9 frame that refers to itself", at)
    if first & V:
        descriptor.structure = read_structure(payload, layout.structure_at)
    return descriptor


def serialize(descriptor: Descriptor) -> bytes:
    """The octets of `descriptor`. Raises `Malformed` for what does not fit, or does not go together."""
    d = descriptor
    if d.flexible and (d.picture_id is None or d.tl0_picture_index is not None):  # spec: vp9/flexible-needs-picture-id
        raise Malformed("flexible mode has picture ids and no TL0PICIDX")
    if bool(d.references) != (d.flexible and d.predicted):  # spec: vp9/references-only-when-predicted
        raise Malformed("references belong to predicted frames of flexible mode, and each of those has some")
    if not d.flexible and (d.layers is None) != (d.tl0_picture_index is None):  # spec: vp9/tl0picidx-with-layers
        raise Malformed("layers come with TL0PICIDX unless the mode is flexible")
    flags = [
        (d.picture_id is not None, I), (d.predicted, P), (d.layers is not None, L), (d.flexible, F),
        (d.start, B), (d.end, E), (d.structure is not None, V), (d.not_for_upper, Z),
    ]  # fmt: skip
    out = bytearray([sum(bit for there, bit in flags if there)])
    if d.picture_id is not None:
        _fits("picture id", d.picture_id, 15 if d.long_picture_id else 7)
        out += (0x8000 | d.picture_id).to_bytes(2) if d.long_picture_id else bytes([d.picture_id])
    if d.layers is not None:
        temporal, spatial = d.layers
        _fits("layer", temporal, 3)
        _fits("layer", spatial, 3)
        out.append(temporal << 5 | (U if d.switching_up else 0) | spatial << 1 | (D if d.inter_layer else 0))
    if d.tl0_picture_index is not None:
        _fits("TL0PICIDX", d.tl0_picture_index, 8)
        out.append(d.tl0_picture_index)
    if len(d.references) > MOST_REFERENCES or not all(0 < reference < 128 for reference in d.references):
        raise Malformed("at most three references, to at most 127 pictures back")
    out += bytes(reference << 1 | N for reference in d.references)
    if d.references:
        out[-1] &= ~N
    return bytes(out) + (_write_structure(d.structure) if d.structure is not None else b"")


def _fits(what: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise Malformed(f"VP9 {what} {value} does not fit {bits} bits")


def read_structure(payload: Octets, at: int) -> Structure:
    """The scalability structure at `Layout.structure_at`. `locate` has walked over it, so every octet is there."""
    first = payload[at]
    structure = Structure((first >> 5) + 1)
    at += 1
    if first & Y:  # spec: vp9/structure-sizes
        words = [
            int.from_bytes(payload[place : place + 2]) for place in range(at, at + 4 * structure.spatial_layers, 2)
        ]
        structure.sizes = list(zip(words[::2], words[1::2], strict=True))
        at += 4 * structure.spatial_layers
    if first & G:  # spec: vp9/structure-group
        structure.pictures = []
        count, at = payload[at], at + 1
        for _ in range(count):
            octet = payload[at]
            references = list(payload[at + 1 : at + 1 + (octet >> 2 & 3)])
            structure.pictures.append(GroupPicture(octet >> 5, bool(octet & U), references))
            at += 1 + len(references)
    return structure


def _write_structure(structure: Structure) -> bytes:
    sizes, pictures = structure.sizes, structure.pictures
    _fits("number of spatial layers less one", structure.spatial_layers - 1, 3)
    out = bytearray([structure.spatial_layers - 1 << 5 | (Y if sizes is not None else 0)])
    if sizes is not None:
        if len(sizes) != structure.spatial_layers:
            raise Malformed("each spatial layer has its size, or none")
        for pixels in (pixels for size in sizes for pixels in size):
            _fits("size", pixels, 16)
            out += pixels.to_bytes(2)
    if pictures is not None:
        out[0] |= G
        _fits("number of pictures in a group", len(pictures), 8)
        out.append(len(pictures))
        for each in pictures:
            _fits("layer", each.temporal_layer, 3)
            if len(each.references) > MOST_REFERENCES or not all(0 <= back < 256 for back in each.references):
                raise Malformed("at most three references, to at most 255 pictures back")
            out.append(each.temporal_layer << 5 | (U if each.switching_up else 0) | len(each.references) << 2)
            out += bytes(each.references)
    return bytes(out)


class Layout(NamedTuple):
    """Where the fields of a descriptor are, -1 for one that is not there, and the values that forwarding reads.

    `rest` is the place behind TL0PICIDX, where references, structure and payload follow as far as they are there;
    `structure_at` the place behind the references. Layers are 0 where none are named.
    """

    picture_id: int | None
    tl0_picture_index: int | None
    temporal_layer: int
    spatial_layer: int
    picture_id_at: int
    layers_at: int
    tl0_at: int
    rest: int
    structure_at: int
    end: int


def locate(payload: Octets, offset: int = 0) -> Layout:
    """Find the fields of the descriptor at `offset`; places count from the start of `payload`. Raises `Malformed`."""
    picture_id = tl0 = None
    picture_id_at = layers_at = tl0_at = -1
    temporal = spatial = 0
    try:
        first, at = payload[offset], offset + 1
        flexible = first & F and first & I  # spec: vp9/flexible-ignored-without-picture-id
        if first & I:  # spec: vp9/picture-id-present
            picture_id_at, long = at, payload[at] & M  # spec: vp9/picture-id-size
            picture_id = (payload[at] & 0x7F) << 8 | payload[at + 1] if long else payload[at]
            at += 2 if long else 1
        if first & L:  # spec: vp9/layers-present
            layers_at = at
            temporal, spatial = payload[at] >> 5, payload[at] >> 1 & 7
            at += 1
            if not flexible:  # spec: vp9/tl0picidx-with-layers
                tl0_at, tl0 = at, payload[at]
                at += 1
        rest = at
        if flexible and first & P:  # spec: vp9/references-only-when-predicted
            while payload[at] & N:
                at += 1
            at += 1
            if at - rest > MOST_REFERENCES:  # spec: vp9/at-most-three-references
                raise Malformed("VP9 frame with more than three references", at)
        structure_at = at
        if first & V:  # spec: vp9/structure-present
            at = _behind_structure(payload, at)
    except IndexError:
        raise Malformed("VP9 descriptor ends too soon", len(payload)) from None
    if at > len(payload):  # spec: vp9/descriptor-required
        raise Malformed("VP9 descriptor ends too soon", len(payload))
    return Layout(picture_id, tl0, temporal, spatial, picture_id_at, layers_at, tl0_at, rest, structure_at, at)


def _behind_structure(payload: Octets, at: int) -> int:
    first, at = payload[at], at + 1  # spec: vp9/reserved-bits-ignored
    if first & Y:
        at += 4 * ((first >> 5) + 1)
    if first & G:
        count, at = payload[at], at + 1
        for _ in range(count):
            at += 1 + (payload[at] >> 2 & 3)
    return at


def write_picture_id(payload: bytearray | memoryview, at: int, picture_id: int) -> None:
    """Overwrite a picture id in place, in the size it has there; higher bits are cut off."""
    # spec: vp9/picture-id-wraps
    if payload[at] & M:
        payload[at] = M | picture_id >> 8 & 0x7F
        payload[at + 1] = picture_id & 0xFF
    else:
        payload[at] = picture_id & 0x7F


def is_keyframe(payload: Octets, offset: int = 0) -> bool:
    """Whether this packet begins a picture that a viewer may begin with. Never raises: what cannot be read is none.

    The descriptor decides, but a frame that can be read and says of itself that it is none is none: FFmpeg's sender
    never sets P.
    """
    if len(payload) <= offset or payload[offset] & (B | P) != B:  # spec: vp9/key-picture
        return False
    try:
        layout = locate(payload, offset)
    except Malformed:
        return False
    if layout.spatial_layer or layout.end >= len(payload):
        return False
    octet = payload[layout.end]
    # Frame marker 10, two bits of profile (in profile 3 a zero more), not shown again, and then 1 if not a keyframe.
    at = 2 if octet & 0x30 == 0x30 else 3
    return octet >> 6 != 2 or not octet >> at - 1 & 3


def size_of_keyframe(payload: Octets, offset: int = 0) -> tuple[int, int] | None:
    """Width and height in pixels of the largest layer where this packet begins a keyframe, otherwise None.

    From the scalability structure, or where that has no sizes from the frame. Never raises.
    """
    if not is_keyframe(payload, offset):
        return None
    layout = locate(payload, offset)
    if payload[offset] & V:
        structure = read_structure(payload, layout.structure_at)
        if structure.sizes:
            return structure.sizes[-1]
    try:
        return _frame_size(BitReader(payload, layout.end, min(len(payload), layout.end + 16)))
    except Malformed:
        return None


def _frame_size(bits: BitReader) -> tuple[int, int]:
    """Of a keyframe's uncompressed header (VP9 bitstream specification section 6.2). Raises `Malformed`."""
    marker, low, high = bits.read(2), bits.read(1), bits.read(1)
    profile = high << 1 | low
    bits.read(1 if profile == 3 else 0)
    shown_again, inter = bits.read(1), bits.read(1)
    bits.read(2)  # show_frame, error_resilient_mode
    if marker != 2 or shown_again or inter or bits.read(24) != SYNC_CODE:
        raise Malformed("not the head of a VP9 keyframe")
    bits.read(1 if profile >= 2 else 0)  # ten or twelve bits
    if bits.read(3) != RGB:
        bits.read(4 if profile & 1 else 1)  # range; in odd profiles subsampling and a reserved bit
    else:
        bits.read(1 if profile & 1 else 0)
    return bits.read(16) + 1, bits.read(16) + 1

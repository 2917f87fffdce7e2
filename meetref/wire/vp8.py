"""VP8 in RTP: the descriptor in front of every payload, and the little of the bitstream that an SFU reads.

Stands above `wire/reader`. `parse` and `serialize` are the pair; `locate`, `is_keyframe` and
`size_of_keyframe` look into a payload in place, for forwarding, where a descriptor is rewritten and never rebuilt.
Specification: RFC 7741 section 4.2 (descriptor) and 4.3 (payload header), RFC 6386 section 9.1 (frame size).
Leaves out: putting frames together, which is the decoder's business; a bot's packets are cut by `media/codec`.
Read next: `media/rewriting.py`, what happens to picture ids on the way to a viewer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from meetref.wire.reader import Malformed
from meetref.wire.rtp import Octets

#        0 1 2 3 4 5 6 7
#       |X|R|N|S|R| PID |   always
#   X:  |I|L|T|K| RSV   |
#   I:  |M|  PictureID  |   7 bits, or with M 15 bits in two octets
#   L:  |   TL0PICIDX   |
# T/K:  |TID|Y| KEYIDX  |
X, N, S = 0x80, 0x20, 0x10
I, L, T, K = 0x80, 0x40, 0x20, 0x10  # noqa: E741
M, Y = 0x80, 0x20

START_CODE = b"\x9d\x01\x2a"


@dataclass(slots=True)
class Descriptor:
    """The descriptor of one packet; None is a field that is not there.

    `start`: the payload begins partition number `partition`. `temporal_layer` is TID, `layer_sync` Y, `key_index`
    KEYIDX. `long_picture_id` says whether the picture id has 15 bits. `size`, in octets, is known once parsed.
    """

    start: bool = False
    partition: int = 0
    non_reference: bool = False
    picture_id: int | None = None
    long_picture_id: bool = False
    tl0_picture_index: int | None = None
    temporal_layer: int | None = None
    layer_sync: bool = False
    key_index: int | None = None
    size: int = field(default=0, compare=False)


def parse(payload: Octets, offset: int = 0) -> Descriptor:
    """Read the descriptor at `offset`. Reserved bits are ignored. Raises `Malformed`."""
    layout = locate(payload, offset)
    first = payload[offset]
    second = payload[offset + 1] if first & X else 0
    # spec: vp8/reserved-bits-ignored
    descriptor = Descriptor(bool(first & S), first & 0x07, bool(first & N), size=layout.end - offset)
    descriptor.picture_id = layout.picture_id
    descriptor.long_picture_id = layout.picture_id is not None and bool(payload[layout.picture_id_at] & M)
    descriptor.tl0_picture_index = layout.tl0_picture_index
    if second & (T | K):
        octet = payload[layout.rest]
        descriptor.layer_sync = bool(octet & Y)
        if second & T:  # spec: vp8/tid-ignored-without-t
            descriptor.temporal_layer = octet >> 6
        if second & K:  # spec: vp8/keyidx-ignored-without-k
            descriptor.key_index = octet & 0x1F
    return descriptor


def serialize(descriptor: Descriptor) -> bytes:
    """The octets of `descriptor`, as few as it needs. Raises `Malformed` for a number that does not fit."""
    d = descriptor
    if not 0 <= d.partition <= 7 or not 0 <= (d.temporal_layer or 0) <= 3 or not 0 <= (d.key_index or 0) <= 31:
        raise Malformed("VP8 descriptor with a number that does not fit")
    tail = bytearray()
    flags = 0
    if d.picture_id is not None:
        if not 0 <= d.picture_id < (1 << 15 if d.long_picture_id else 1 << 7):
            raise Malformed(f"picture id {d.picture_id} does not fit")
        flags |= I
        tail += (0x8000 | d.picture_id).to_bytes(2) if d.long_picture_id else bytes([d.picture_id])
    if d.tl0_picture_index is not None:
        flags |= L
        tail.append(d.tl0_picture_index)
    if d.temporal_layer is not None or d.key_index is not None:
        flags |= (T if d.temporal_layer is not None else 0) | (K if d.key_index is not None else 0)
        tail.append((d.temporal_layer or 0) << 6 | (Y if d.layer_sync else 0) | (d.key_index or 0))
    first = (X if flags else 0) | (N if d.non_reference else 0) | (S if d.start else 0) | d.partition
    return bytes([first, flags]) + bytes(tail) if flags else bytes([first])  # spec: vp8/no-extension-without-x


class Layout(NamedTuple):
    """Where the fields of a descriptor are, -1 for one that is not there, and the two values that forwarding rewrites.

    `rest` is the place behind TL0PICIDX: of TID/Y/KEYIDX, or where there is none of the payload. `end`: of the payload.
    """

    picture_id: int | None
    tl0_picture_index: int | None
    picture_id_at: int
    tl0_at: int
    rest: int
    end: int


def locate(payload: Octets, offset: int = 0) -> Layout:
    """Find the fields of the descriptor at `offset`; places count from the start of `payload`. Raises `Malformed`."""
    picture_id = tl0 = None
    picture_id_at = tl0_at = -1
    flags = 0
    try:
        at = offset + 1
        if payload[offset] & X:
            flags = payload[at]
            at += 1
            if flags & I:  # spec: vp8/picture-id-present
                picture_id_at = at
                long = payload[at] & M  # spec: vp8/picture-id-size
                picture_id = (payload[at] & 0x7F) << 8 | payload[at + 1] if long else payload[at]
                at += 2 if long else 1
            if flags & L:  # spec: vp8/tl0picidx-present
                tl0_at = at
                tl0 = payload[at]
                at += 1
    except IndexError:
        raise Malformed("VP8 descriptor ends too soon", len(payload)) from None
    end = at + 1 if flags & (T | K) else at  # spec: vp8/tid-keyidx-octet
    if end > len(payload):  # spec: vp8/descriptor-required
        raise Malformed("VP8 descriptor ends too soon", len(payload))
    return Layout(picture_id, tl0, picture_id_at, tl0_at, at, end)


def write_picture_id(payload: bytearray | memoryview, at: int, picture_id: int) -> None:
    """Overwrite a picture id in place, in the size it has there; higher bits are cut off."""
    # spec: vp8/picture-id-wraps
    if payload[at] & M:
        payload[at] = M | picture_id >> 8 & 0x7F
        payload[at + 1] = picture_id & 0xFF
    else:
        payload[at] = picture_id & 0x7F


def is_keyframe(payload: Octets, offset: int = 0) -> bool:
    """Whether this packet begins a keyframe. Never raises: what cannot be read is none."""
    # Only the first packet of a frame carries the payload header whose lowest bit tells (RFC 7741 section 4.3).
    if len(payload) <= offset or payload[offset] & (S | 0x07) != S:  # spec: vp8/header-only-at-start
        return False
    try:
        at = locate(payload, offset).end
    except Malformed:
        return False
    return at < len(payload) and not payload[at] & 0x01  # spec: vp8/inverse-key-flag


def size_of_keyframe(payload: Octets, offset: int = 0) -> tuple[int, int] | None:
    """Width and height in pixels where this packet begins a keyframe, otherwise None. Never raises."""
    if not is_keyframe(payload, offset):
        return None
    at = locate(payload, offset).end
    if len(payload) < at + 10 or bytes(payload[at + 3 : at + 6]) != START_CODE:
        return None
    # spec: vp8/frame-size
    width = payload[at + 6] | (payload[at + 7] & 0x3F) << 8  # the two bits on top ask for scaling
    height = payload[at + 8] | (payload[at + 9] & 0x3F) << 8
    return width, height

"""VP9 from libvpx, cut by FFmpeg and by us: keyframes are found, and what is put together again decodes."""

from __future__ import annotations

from meetref.wire import vp9
from tests.wire.bitstreams import HEIGHT, WIDTH, by_timestamp, encoded, packets_of_ffmpeg, same_pictures


def test_what_ffmpeg_sends_is_read() -> None:
    frames = encoded("libvpx-vp9")
    sent = by_timestamp(packets_of_ffmpeg("libvpx-vp9", frames))
    assert len(sent) == len(frames)
    together = []
    for payloads, frame in zip(sent, frames, strict=True):
        read = [vp9.parse(payload) for payload in payloads]
        assert [each.start for each in read] == [True] + [False] * (len(read) - 1)
        assert [each.end for each in read] == [False] * (len(read) - 1) + [True]
        assert not any(each.predicted for each in read)  # which is why the frame has the last word
        assert [vp9.is_keyframe(payload) for payload in payloads] == [frame.is_keyframe] + [False] * (len(read) - 1)
        assert vp9.size_of_keyframe(payloads[0]) == ((WIDTH, HEIGHT) if frame.is_keyframe else None)
        together.append(b"".join(payload[each.size :] for payload, each in zip(payloads, read, strict=True)))
    assert together == [bytes(frame) for frame in frames]


def test_what_we_cut_decodes() -> None:
    frames = encoded("libvpx-vp9")
    sent = [cut(bytes(frame), number, frame.is_keyframe) for number, frame in enumerate(frames)]
    assert [[vp9.is_keyframe(payload) for payload in payloads] for payloads in sent] == [
        [frame.is_keyframe] + [False] * (len(payloads) - 1) for payloads, frame in zip(sent, frames, strict=True)
    ]
    together = [b"".join(payload[vp9.locate(payload).end :] for payload in payloads) for payloads in sent]
    assert same_pictures("vp9", together, [bytes(frame) for frame in frames])


def cut(frame: bytes, number: int, keyframe: bool, size: int = 500) -> list[bytes]:
    """The payloads of one frame in flexible mode, with sizes at every keyframe."""
    pieces = [frame[at : at + size] for at in range(0, len(frame), size)]
    payloads = []
    for place, piece in enumerate(pieces):
        descriptor = vp9.Descriptor(place == 0, place == len(pieces) - 1, not keyframe, True, picture_id=number & 0x7F)
        descriptor.references = [] if keyframe else [1]
        if keyframe and place == 0:
            descriptor.structure = vp9.Structure(1, [(WIDTH, HEIGHT)])
        payloads.append(vp9.serialize(descriptor) + piece)
    return payloads

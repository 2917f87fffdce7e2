"""AV1 from SVT-AV1, cut by FFmpeg and by us: sequences are found, and what is put together again decodes."""

from __future__ import annotations

from meetref.wire import av1
from tests.wire.bitstreams import HEIGHT, WIDTH, by_timestamp, encoded, packets_of_ffmpeg, same_pictures


def units_of(frame: bytes) -> list[av1.Unit]:
    """The OBUs of a frame that are to be sent."""
    units = []
    while frame:
        unit = av1.parse_unit(frame)
        frame = frame[len(av1.serialize_unit(unit, has_size=True)) :]
        units += [unit] if unit.kind not in av1.NOT_FORWARDED else []
    return units


def joined(payloads: list[bytes]) -> list[av1.Unit]:
    """The OBUs that are in the payloads of one frame."""
    whole = list[bytes]()
    goes_on = False
    for payload in map(av1.parse, payloads):
        assert payload.continues == goes_on
        if payload.continues:
            whole[-1] += payload.elements[0]
        whole += payload.elements[payload.continues :]
        goes_on = payload.continued
    assert not goes_on
    return [av1.parse_unit(element) for element in whole]


def for_decoder(units: list[av1.Unit]) -> bytes:
    delimiter = av1.Unit(av1.TEMPORAL_DELIMITER)
    return b"".join(av1.serialize_unit(unit, has_size=True) for unit in (delimiter, *units))


def test_what_ffmpeg_sends_is_read() -> None:
    frames = encoded("libsvtav1")
    sent = by_timestamp(packets_of_ffmpeg("libsvtav1", frames))
    assert len(sent) == len(frames)
    for payloads, frame in zip(sent, frames, strict=True):
        assert joined(payloads) == units_of(bytes(frame))
        assert [av1.is_keyframe(payload) for payload in payloads] == [frame.is_keyframe] + [False] * (len(payloads) - 1)
        assert av1.size_of_keyframe(payloads[0]) == ((WIDTH, HEIGHT) if frame.is_keyframe else None)


def test_what_we_cut_decodes() -> None:
    frames = encoded("libsvtav1")
    together = []
    for frame in frames:
        payloads = cut(units_of(bytes(frame)), frame.is_keyframe)
        assert [av1.is_keyframe(payload) for payload in payloads] == [frame.is_keyframe] + [False] * (len(payloads) - 1)
        together.append(for_decoder(joined(payloads)))
    assert same_pictures("libdav1d", together, [bytes(frame) for frame in frames])


def cut(units: list[av1.Unit], keyframe: bool, size: int = 400) -> list[bytes]:
    """The payloads of one frame: its OBUs one after the other, cut where a packet is full."""
    elements = [av1.serialize_unit(unit) for unit in units]
    payloads = list[av1.Payload]()
    current, room = av1.Payload(begins_sequence=keyframe, every_length=True), size
    for element in elements:
        while element:
            piece, element = element[:room], element[room:]
            current.elements.append(piece)
            room -= len(piece)
            if not room:
                current.continued = bool(element)
                payloads.append(current)
                current, room = av1.Payload(continues=current.continued, every_length=True), size
    return [av1.serialize(payload) for payload in (*payloads, current) if payload.elements]

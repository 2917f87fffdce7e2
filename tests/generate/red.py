"""Makes vectors/red: payloads of older and newer blocks, and streams whose losses are heard all the same.

Read next: tests/vectors/test_red.py, which replays them; tests/confirm/red.py, who else reads them so.
"""

from __future__ import annotations

from typing import Any

from meetref.media.redundancy import Redundancy, Unwrapping
from meetref.wire import red, rtp
from tests.generate import recordedmedia
from tests.generate.mediacases import Cases

NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing the fields gives these octets again"),
    "Truncated": ("The payload ends too soon", "it is dropped"),
}
SECTION = "RFC 2198 section 3"
OPUS, FRAME = 111, 960


def fields(payload: red.Payload) -> dict[str, Any]:
    """A payload as JSON has it."""
    older = [
        {"payload_type": block.payload_type, "timestamp_offset": block.timestamp_offset, "data": block.data.hex()}
        for block in payload.older
    ]
    return {"payload_type": payload.payload_type, "primary": payload.primary.hex(), "older": older}


def payload_of(told: dict[str, Any]) -> red.Payload:
    """The payload that JSON tells of."""
    older = [
        red.Block(each["payload_type"], each["timestamp_offset"], bytes.fromhex(each["data"])) for each in told["older"]
    ]
    return red.Payload(told["payload_type"], bytes.fromhex(told["primary"]), older)


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"red/payloads": _payloads(), "red/streams": _streams()}


def block(payload_type: int, offset: int, size: int) -> red.Block:
    return red.Block(payload_type, offset, bytes((offset + place) & 0xFF for place in range(size)))


def _payloads() -> dict[str, Any]:
    cases = Cases("red-payloads", NOTES)
    reqs = "follow-bit block-header primary-last"
    cases.group("parse", "RFC 2198 section 7", "published")
    example = red.Payload(5, bytes(range(84)), [block(7, 160, 14)])
    cases.valid(
        "DVI4 with LPC of the packet before, both of 20 ms; the octets of the sound are ours",
        reqs,
        red.serialize(example),
        fields(example),
        ["Canonical"],
    )
    cases.group("parse", SECTION)
    for comment, given in (
        ("Opus alone", red.Payload(OPUS, bytes(60))),
        ("Opus and the packet before", red.Payload(OPUS, bytes(60), [block(OPUS, 960, 55)])),
        ("Opus and two packets before", red.Payload(OPUS, bytes(60), [block(OPUS, 1920, 57), block(OPUS, 960, 55)])),
        ("nine packets before", red.Payload(OPUS, bytes(20), [block(OPUS, 960 * n, 10 + n) for n in range(9, 0, -1)])),
        ("blocks of several kinds", red.Payload(0, bytes(160), [block(5, 320, 80), block(7, 160, 14)])),
        ("a block as old and as long as can be", red.Payload(OPUS, b"\x01", [block(OPUS, 16383, 1023)])),
        ("payload types 0 and 127", red.Payload(127, b"\x01\x02", [block(0, 1, 3)])),
    ):
        cases.valid(comment, reqs + " limits", red.serialize(given), fields(given), ["Canonical"])
    cases.group("parse", SECTION)  # tshark shows no block without octets
    for comment, given in (
        ("nothing new", red.Payload(OPUS, b"", [block(OPUS, 960, 55)])),
        ("an older block without octets", red.Payload(OPUS, bytes(60), [block(OPUS, 960, 0)])),
        ("a header alone", red.Payload(OPUS)),
    ):
        cases.valid(comment, reqs, red.serialize(given), fields(given), ["Canonical"])
    cases.group("parse", SECTION)
    cases.invalid("nothing", "headers-required", b"", ["Truncated"])
    whole = red.serialize(red.Payload(OPUS, bytes(8), [block(OPUS, 1920, 6), block(OPUS, 960, 5)]))
    for size in range(1, 20):
        cases.invalid(
            f"{size} of {len(whole)} octets", "headers-required blocks-within-bounds", whole[:size], ["Truncated"]
        )
    cases.invalid("headers without an end", "headers-required", b"\xef\x00\x00\x00" * 5)
    cases.group("parse", recordedmedia.source(SECTION), "captured")
    for number, payload in enumerate(recordedmedia.payloads("Opus in RED")[:20], 1):
        cases.valid(f"Opus in RED, packet {number}", reqs, payload, fields(red.parse(payload)), ["Canonical"])
    return cases.finish()


def _streams() -> dict[str, Any]:
    notes = {"Lossy": ("Packets are missing", "what they brought is in later ones, as far as the distance goes")}
    cases = Cases("red-streams", notes)
    cases.group("wrap", "RFC 2198 section 3")
    for distance in (1, 2, 4):
        given = stream([40 + number for number in range(8)])
        _wrapped(cases, f"distance {distance}", "limits timestamps", given, distance)
    paused = stream([40] * 8)
    paused = paused[:4] + [(timestamp + 48000, sound) for timestamp, sound in paused[4:]]
    _wrapped(cases, "a second of silence: what is older than 16383 ticks stays away", "limits", paused, 2)
    _wrapped(cases, "timestamps that wrap", "timestamps", stream([30] * 6, 0xFFFFF800), 2)
    _wrapped(cases, "a sound of 1024 octets is not repeated", "limits", stream([50, 1024, 50, 50]), 1)
    _wrapped(cases, "no more than 1200 octets", "redundancy-bounded", stream([500, 500, 500, 500]), 3)
    cases.group("wrap", "RFC 2198 section 3")  # tshark shows no block without octets
    _wrapped(cases, "packets without sound are not repeated", "limits", stream([40, 0, 0, 40, 40]), 2)
    cases.group("receive", "RFC 2198 section 3")
    for distance, missing in ((1, [3]), (1, [0, 2, 5]), (1, [3, 4]), (2, [3, 4]), (2, [1, 2, 5, 6])):
        made = wrapped(stream([40] * 10), distance)
        kept = [packet for place, packet in enumerate(made) if place not in missing]
        _received(cases, f"distance {distance}, without the packets {missing}", kept)
    made = wrapped(stream([40] * 6), 1)
    late = [made[place] for place in (0, 2, 1, 3, 5, 4)]
    _received(cases, "packets that come late", late)
    _received(cases, "a packet that comes twice", [*made[:3], made[1], *made[3:]])
    cases.group("receive", recordedmedia.source("RFC 2198 section 3"), "captured")
    packets = [rtp.parse(packet) for packet in recordedmedia.packets("Opus in RED")[:20]]
    for missing in ([], [4], [2, 4, 6, 8], [5, 6]):
        kept = [(each.timestamp, each.payload) for place, each in enumerate(packets) if place not in missing]
        _received(cases, f"Opus in RED, without the packets {missing}", kept)
    return cases.finish()


def stream(sizes: list[int], first: int = 5000) -> list[tuple[int, bytes]]:
    """Sounds of 20 ms with so many octets, and their timestamps."""
    return [
        ((first + FRAME * number) & 0xFFFFFFFF, bytes((number * 16 + place) & 0xFF for place in range(size)))
        for number, size in enumerate(sizes)
    ]


def wrapped(sounds: list[tuple[int, bytes]], distance: int) -> list[tuple[int, bytes]]:
    maker = Redundancy(OPUS, distance=distance)
    return [(timestamp, maker.wrap(timestamp, sound)) for timestamp, sound in sounds]


def pairs(packets: list[tuple[int, bytes]]) -> list[list[Any]]:
    return [[timestamp, octets.hex()] for timestamp, octets in packets]


def _wrapped(cases: Cases, comment: str, reqs: str, sounds: list[tuple[int, bytes]], distance: int) -> None:
    given = {"payload_type": OPUS, "distance": distance, "sounds": pairs(sounds)}
    cases.valid(comment, reqs, given, {"payloads": [payload.hex() for _, payload in wrapped(sounds, distance)]})


def _received(cases: Cases, comment: str, packets: list[tuple[int, bytes]]) -> None:
    receiver = Unwrapping()
    heard = [sound for timestamp, payload in packets for sound in receiver.receive(payload, timestamp)]
    out = {"sounds": [[sound.timestamp, sound.data.hex(), sound.primary] for sound in heard]}
    cases.valid(comment, "timestamps stripped", {"packets": pairs(packets)}, out, ["Lossy"])

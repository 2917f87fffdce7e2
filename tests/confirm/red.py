"""Who else reads vectors/red as we do: tshark, werift, GStreamer, and libwebrtc, whose stream it is.

Stands above `tests/confirm/mediareaders.py`, `dissection.py` and `witness.py`; see `tests/confirm/rtp.py` for when a
witness confirms. Read next: tests/generate/red.py.
"""

from __future__ import annotations

from typing import Any

from meetref.wire import rtp
from tests.confirm import dissection
from tests.confirm import mediareaders as readers
from tests.confirm.witness import Case, Witness, asked, one_by_one, package
from tests.generate import recordedmedia

TSHARK = {
    "parse": "dissected as RFC 2198: same types, offsets and lengths of blocks, nothing malformed",
    "wrap": "dissected as RFC 2198: every payload has those sounds, that old",
}
WERIFT = {
    "parse": "Red.deSerialize gives the same blocks",
    "wrap": "Red.deSerialize gives those sounds, that old, for every payload",
}
GSTREAMER = {"parse": "rtpreddec gives out the newest block under its payload type, or nothing for an invalid payload"}
LIBWEBRTC = {"receive": "it sent these; what comes back is what it had sent in the packets that are missing"}
RED_TYPE = 63
FIELDS = ("rtp.p_type", "rtp.timestamp-offset", "rtp.block-length", "rtp.payload")


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
        Witness("werift", readers.werift_version, WERIFT, _ask_werift),
        Witness("GStreamer", readers.gstreamer_version, GSTREAMER, _ask_gstreamer),
        Witness("libwebrtc", package("wrtc"), LIBWEBRTC, one_by_one(_ask_libwebrtc)),
    )


def _blocks(out: dict[str, Any]) -> list[list[Any]]:
    """Type, offset and octets of every block; of the newest no offset is said."""
    older = [[each["payload_type"], each["timestamp_offset"], each["data"]] for each in out["older"]]
    return [*older, [out["payload_type"], None, out["primary"]]]


def _wrapped(case: Case) -> list[list[list[Any]]]:
    """The blocks that every payload of a `wrap` case should have, from what was to be wrapped alone."""
    given = case["in"]
    sounds, made = given["sounds"], []
    for place, (timestamp, sound) in enumerate(sounds):
        earlier = [each for each in sounds[:place] if each[1]][-given["distance"] :]
        older = [[given["payload_type"], (timestamp - at) % (1 << 32), data] for at, data in earlier]
        room = 1200 - 1 - len(sound) // 2
        kept = list[list[Any]]()
        for block in reversed(older):
            room -= 4 + len(block[2]) // 2
            if block[1] > 16383 or len(block[2]) // 2 > 1023 or room < 0:
                break
            kept.insert(0, block)
        made.append([*kept, [given["payload_type"], None, sound]])
    return made


def _ask_werift(operation: str, cases: list[Case]) -> None:
    if operation == "wrap":
        for case in cases:
            _compare_werift(case["id"], case["out"]["payloads"], _wrapped(case))
        return
    for case in cases:
        assert case["result"] != "invalid", f"werift refuses nothing, such as {case['id']}"
    _compare_werift(cases[0]["id"], [case["in"]["hex"] for case in cases], [_blocks(case["out"]) for case in cases])


def _compare_werift(name: str, payloads: list[str], wanted: list[list[list[Any]]]) -> None:
    answers = readers.ask_werift([{"what": "red", "hex": payload} for payload in payloads])
    for said, blocks in zip(answers, wanted, strict=True):
        assert said.get("blocks") == blocks, f"werift reads {name} otherwise"


def _ask_gstreamer(operation: str, cases: list[Case]) -> None:
    questions = [
        {
            "what": "red",
            "packet": rtp.serialize(rtp.Packet(RED_TYPE, 5, 9600, 7, bytes.fromhex(case["in"]["hex"]))).hex(),
        }
        for case in cases
    ]
    for case, said in zip(cases, readers.ask_gstreamer(questions), strict=True):
        if case["result"] == "invalid":
            assert said["packets"] == [], f"GStreamer takes {case['id']}"
            continue
        newest = rtp.parse(bytes.fromhex(said["packets"][-1]))
        out = case["out"]
        assert (newest.payload_type, newest.payload.hex()) == (out["payload_type"], out["primary"]), case["id"]
        assert (newest.sequence, newest.timestamp) == (5, 9600), case["id"]


def _ask_libwebrtc(operation: str, case: Case) -> None:
    """A stream of its own: every sound is in it as some packet's newest block, also where that packet is missing."""
    assert case["comment"].startswith("Opus in RED"), "not a stream of libwebrtc"
    said = {}
    for packet in map(rtp.parse, recordedmedia.packets("Opus in RED")):
        head = packet.payload[0]
        if head < 0x80:
            said[packet.timestamp] = packet.payload[1:]
        else:
            length = (packet.payload[2] & 3) << 8 | packet.payload[3]
            said[packet.timestamp] = packet.payload[5 + length :]
    heard = [[timestamp, said[timestamp].hex()] for timestamp, _, _ in case["out"]["sounds"]]
    assert heard == [sound[:2] for sound in case["out"]["sounds"]], f"libwebrtc said something else in {case['id']}"


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    assert all("out" in case for case in cases), "tshark refuses nothing"
    if operation == "wrap":
        payloads = [payload for case in cases for payload in case["out"]["payloads"]]
        wanted = [blocks for case in cases for blocks in _wrapped(case)]
    else:
        payloads = [case["in"]["hex"] for case in cases]
        wanted = [_blocks(case["out"]) for case in cases]
    packets = [
        rtp.serialize(rtp.Packet(RED_TYPE, number, 0, 7, bytes.fromhex(each))) for number, each in enumerate(payloads)
    ]
    rows = dissection.dissect(packets, "rtp", FIELDS, ("-d", f"rtp.pt=={RED_TYPE},rtp_rfc2198"))
    for row, blocks in zip(rows, wanted, strict=True):
        assert not row["_ws.malformed"], "tshark calls a payload malformed"
        assert _dissected(row) == blocks, f"tshark reads {blocks} otherwise"


def _dissected(row: dissection.Row) -> list[list[Any]]:
    types = dissection.numbers(row["rtp.p_type"])[1:]
    offsets = [*dissection.numbers(row["rtp.timestamp-offset"]), None]
    return [list(block) for block in zip(types, offsets, row["rtp.payload"][1:], strict=True)]

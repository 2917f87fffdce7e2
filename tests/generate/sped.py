"""Writes vectors/sped: the machine between checks and DTLS, step by step. Specification: draft-hancke-webrtc-sped-00.

Nothing here runs our machine: what it must do comes from the draft (and from libwebrtc, where the requirement says so).
vectors/sped/README.md has the words of the steps. Read next: tests/vectors/test_sped.py, which plays them.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from meetref.wire import attribute, stun
from tests.generate.mediacases import Cases
from tests.generate.stepcases import Case, Step, machine_set

ONE, TWO, THREE = (bytes((22, 254, 253, number)).ljust(40, b"\0") for number in (1, 2, 3))
LIBWEBRTC_DIFFERS = (
    "what was said after the handshake is acknowledged",
    "an older datagram's acknowledgement completes nothing",
    "data complete it",
    "data before the handshake is complete do not",
    "a peer that sends neither any more is done",
    "whose last word was answered is complete at once",
    "who was offered nothing waits",
    "both attributes are always there",
    "datagrams take turns",
    "a new flight replaces the old one",
    "a path takes what is open, in the order of the flight",
    "what comes again is acknowledged again, and not given again",
)
"""It begins without being offered this, leaves out an empty data attribute, and keeps to the order of first arrival.
The rest takes a handshake with it, or a flight of three datagrams."""

RECORDED = Path(__file__).parent.parent / "captured" / "sped-libwebrtc.json"
BEGINS, WAITS = {"offered": True}, {"offered": False}
Row = tuple[str, str, Case, list[Step]]


def crc(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def hears(data: bytes | None = b"", *acknowledged: bytes, neither: bool = False) -> Step:
    """An authentic check or answer of the peer's."""
    if neither:
        return {"at_ms": 0, "receive": {"data": None, "acknowledged": None}}
    inside = None if data is None else data.hex()
    return {"at_ms": 0, "receive": {"data": inside, "acknowledged": [crc(each) for each in acknowledged]}}


def says(data: bytes | None = b"", *acknowledged: bytes) -> Step:
    """The next check or answer of ours."""
    what: Any = [crc(each) for each in acknowledged] if data is not None else None
    return {"at_ms": 0, "expect": {"send": {"data": None if data is None else data.hex(), "acknowledged": what}}}


def flight(*datagrams: bytes) -> Step:
    return {"at_ms": 0, "do": {"flight": [data.hex() for data in datagrams]}}


def does(what: str) -> Step:
    return {"at_ms": 0, "do": what}


def is_now(state: str) -> Step:
    return {"at_ms": 0, "expect": {"state": state}}


def delivers(*datagrams: bytes) -> Step:
    return {"at_ms": 0, "expect": {"deliver": [data.hex() for data in datagrams]}}


def goes_plainly(*datagrams: bytes) -> Step:
    return {"at_ms": 0, "expect": {"plain": [data.hex() for data in datagrams]}}


def sets() -> dict[str, Case]:
    """All sets of this stem."""
    source = "draft-hancke-webrtc-sped-00 sections 3.3 and 4"
    groups = [("states", source, _states()), ("carrying", source, _carrying()), ("hearing", source, _hearing())]
    groups += [("carrying", source, _carrying_two())]
    steps = machine_set("sped/steps", groups, witness="libwebrtc", differing=LIBWEBRTC_DIFFERS)
    return {"sped/steps": steps, "sped/messages": _messages()}


def _messages() -> Case:
    """Checks and answers as libwebrtc sent them."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    cases = Cases("sped-messages", {})
    cases.group("parse", f"wrtc {recorded['version']}, tests/captured/record_sped.py", "captured")
    for each in recorded["messages"]:
        message = stun.parse(bytes.fromhex(each["hex"]))
        inside, acknowledged = message.get(attribute.DTLS_IN_STUN), message.get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT)
        reqs = "acknowledgement-checksum acknowledgements-bounded" + ("" if inside else " acknowledgement-alone")
        out = {"data": None if inside is None else inside.hex(), "acknowledged": [f"{one:08x}" for one in acknowledged]}
        what = f"with {len(inside or b'')} octets" if inside else f"that acknowledges {len(acknowledged)}"
        comment = f"{'a check' if message.kind is stun.Class.REQUEST else 'an answer'} {what}"
        cases.valid(comment, reqs, each, out)
    return cases.finish()


def _states() -> list[Row]:
    confirmed = [flight(ONE), hears(), is_now("confirmed")]
    pending = [*confirmed, does("handshake-complete"), flight(TWO), is_now("pending")]
    return [
        ("an empty data attribute confirms", "sped/confirmed", BEGINS, confirmed),
        ("an acknowledgement list alone confirms, too", "sped/acknowledgement-alone", BEGINS,
         [hears(None), is_now("confirmed")]),
        ("neither attribute at the beginning ends it", "sped/off", BEGINS,
         [flight(ONE), hears(neither=True), is_now("off"), says(None)]),
        ("neither attribute later does not", "sped/off", BEGINS,
         [*confirmed, hears(neither=True), is_now("confirmed")]),
        ("what was said after the handshake is acknowledged", "sped/complete-by-acknowledgement", BEGINS,
         [*pending, hears(b"", TWO), is_now("complete"), says(None)]),
        ("an older datagram's acknowledgement completes nothing", "sped/complete-by-acknowledgement", BEGINS,
         [*pending, hears(b"", ONE), is_now("pending")]),
        ("data complete it", "sped/complete-by-data", BEGINS, [*pending, does("data-arrived"), is_now("complete")]),
        ("data before the handshake is complete do not", "sped/complete-by-data", BEGINS,
         [*confirmed, does("data-arrived"), is_now("confirmed")]),
        ("a peer that sends neither any more is done", "sped/peer-is-done", BEGINS,
         [*pending, hears(neither=True), is_now("complete")]),
        ("whose last word was answered is complete at once", "sped/complete-by-acknowledgement", BEGINS,
         [*confirmed, does("handshake-complete"), flight(), is_now("complete")]),
        ("who was offered nothing waits", "sped/options-offered", WAITS, [flight(ONE), says(None), hears(), says(ONE)]),
    ]  # fmt: skip


def _carrying() -> list[Row]:
    return [
        ("both attributes are always there", "sped/always-present", BEGINS, [says(b"")]),
        ("datagrams take turns", "sped/round-robin", BEGINS,
         [flight(ONE, TWO, THREE), says(ONE), says(TWO), says(THREE), says(ONE)]),
        ("an acknowledged one drops out", "sped/acknowledged-dropped", BEGINS,
         [flight(ONE, TWO), hears(b"", ONE), says(TWO), says(TWO), hears(b"", TWO), says(b"")]),
        ("a new flight replaces the old one", "sped/new-flight", BEGINS,
         [flight(ONE, TWO), says(ONE), flight(THREE), says(THREE), says(THREE)]),
        ("a path takes what is open, in the order of the flight", "sped/plain-beside", BEGINS,
         [flight(ONE, TWO, THREE), says(ONE), hears(b"", ONE), does("path-found"), goes_plainly(TWO, THREE)]),
        ("when it is off the path takes the same datagrams", "sped/fallback-same-octets", BEGINS,
         [flight(ONE, TWO), says(ONE), hears(neither=True), does("path-found"), goes_plainly(ONE, TWO)]),
    ]  # fmt: skip


def _carrying_two() -> list[Row]:
    """A post-quantum hello is two datagrams."""
    return [
        ("two datagrams take turns", "sped/round-robin", BEGINS, [flight(ONE, TWO), says(ONE), says(TWO), says(ONE)]),
        ("a path takes the one that is open", "sped/plain-beside", BEGINS,
         [flight(ONE, TWO), says(ONE), hears(b"", ONE), does("path-found"), goes_plainly(TWO)]),
    ]  # fmt: skip


def _hearing() -> list[Row]:
    many = [ONE + bytes((number,)) for number in range(6)]
    return [
        ("a datagram is given to DTLS and acknowledged", "sped/data-injected sped/acknowledgement-checksum", BEGINS,
         [hears(ONE), delivers(ONE), says(b"", ONE)]),
        ("what comes again is acknowledged again, and not given again", "sped/data-injected", BEGINS,
         [hears(ONE), hears(TWO), hears(ONE), delivers(ONE, TWO), says(b"", TWO, ONE)]),
        ("nothing is not given to DTLS", "sped/empty-not-injected", BEGINS, [hears(b""), delivers(), says(b"")]),
        ("nor is what cannot be DTLS", "sped/first-octet", BEGINS,
         [hears(b"\x13" + ONE), hears(b"\x40" + ONE), delivers(), says(b"")]),
        ("the first and the last octet that can", "sped/first-octet", BEGINS,
         [hears(b"\x14" + ONE), hears(b"\x3f" + ONE), delivers(b"\x14" + ONE, b"\x3f" + ONE)]),
        ("the four newest are acknowledged", "sped/acknowledgements-bounded", BEGINS,
         [*map(hears, many), says(b"", *many[2:])]),
        ("an acknowledgement of something else changes nothing", "sped/acknowledged-dropped", BEGINS,
         [flight(ONE), hears(b"", TWO), says(ONE)]),
    ]  # fmt: skip

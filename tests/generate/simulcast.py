"""Makes vectors/simulcast: lines of descriptions about several encodings of one source, and what is answered to them.

Read next: tests/vectors/test_simulcast.py, which replays them; tests/confirm/simulcast.py, who else reads them so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meetref.protocol.answering import answer, read_offer
from meetref.protocol.negotiation import REPAIRED_RID, RID, Transport
from meetref.wire import sdp
from meetref.wire import sdpattributes as attributes
from tests.generate.mediacases import Case, Cases
from tests.generate.sdp import SERVER

CAPTURED = Path(__file__).parent.parent / "captured"
BROWSERS = ("chromium", "firefox")
FINGERPRINT = ":".join(f"{octet:02X}" for octet in range(32))
OFFER = [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "a=ice-ufrag:clie",
    "a=ice-pwd:clientpassword0123456789",
    f"a=fingerprint:sha-256 {FINGERPRINT}",
    "a=setup:actpass",
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    f"a=extmap:10/sendonly {RID}",
    f"a=extmap:11/sendonly {REPAIRED_RID}",
    "a=sendonly",
    "a=rtcp-mux",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
]
THREE = ["a=rid:q send", "a=rid:h send", "a=rid:f send"]


def sets() -> dict[str, Case]:
    """The sets by name."""
    return {"simulcast/lines": _lines(), "simulcast/offers": _offers()}


# --- lines --------------------------------------------------------------------------------------------


def rid_reading(rid: attributes.RID) -> Case:
    """A stream as JSON has it; a restriction without a value has null."""
    return {
        "id": rid.id,
        "direction": rid.direction,
        "payload_types": list(rid.payload_types),
        "restrictions": [list(each) for each in rid.restrictions],
    }


def simulcast_reading(line: attributes.Simulcast) -> Case:
    """A line as JSON has it: streams, each a list of alternatives."""
    return {
        "send": [list(stream) for stream in line.send],
        "recv": [list(stream) for stream in line.recv],
        "paused": list(line.paused),
    }


def _lines() -> Case:
    notes = {"Canonical": ("Written as a serializer writes it", "serializing the fields gives this text again")}
    cases = Cases("simulcast-lines", notes)
    cases.group("parse-rid", "RFC 8851 section 10")
    for comment, text, flags in (
        ("a name and a direction", "q send", ["Canonical"]),
        ("one payload type", "1 send pt=96", ["Canonical"]),
        ("several", "layer-1_x recv pt=96,97", ["Canonical"]),
        ("restrictions", "1 send max-width=1280;max-fps=30", ["Canonical"]),
        ("payload types and restrictions", "1 send pt=96;max-br=64000;depend=2,3", ["Canonical"]),
        ("a restriction that the answerer may set", "1 send max-width", ["Canonical"]),
        ("one that nobody knows", "1 send max-mood=good enough", ["Canonical"]),
        ("a blank behind the semicolon", "1 send pt=96; max-width=1280", []),
        ("pt behind another restriction is none of the payload types", "1 send max-fps=30;pt=96", ["Canonical"]),
    ):
        cases.valid(comment, "malformed-ignored", {"text": text}, rid_reading(attributes.parse_rid(text)), flags)
    cases.group("parse-rid", "RFC 8851 section 10")
    for comment, text in (
        ("nothing", ""),
        ("no direction", "q"),
        ("another direction", "q sendonly"),
        ("in capitals", "q SEND"),
        ("a name with a dot", "a.b send"),
        ("a tilde is for the other line", "~q send"),
        ("a payload type that is none", "1 send pt=256"),
        ("no payload type", "1 send pt="),
        ("a restriction without a name", "1 send =5"),
    ):
        cases.invalid(comment, "malformed-ignored", {"text": text}, reaction="ignore-part")
    cases.group("parse-simulcast", "RFC 8853 section 5.1")
    for comment, text, flags in (
        ("three streams", "send q;h;f", ["Canonical"]),
        ("one", "recv 1", ["Canonical"]),
        ("both directions", "send 1;2 recv 3", ["Canonical"]),
        ("the other way around", "recv 3 send 1;2", []),
        ("alternatives", "send 1,2;3", ["Canonical"]),
        ("paused", "send 1;~2,~3", ["Canonical"]),
    ):
        cases.valid(
            comment,
            "malformed-ignored",
            {"text": text},
            simulcast_reading(attributes.parse_simulcast(text)),
            flags,
        )
    cases.group("parse-simulcast", "RFC 8853 sections 5.1 and 5.2")
    for comment, reqs, text in (
        ("nothing", "malformed-ignored", ""),
        ("no streams", "malformed-ignored", "send"),
        ("an empty one", "malformed-ignored", "send 1;;2"),
        ("no direction", "malformed-ignored", "1;2"),
        ("as old versions of Firefox had it", "malformed-ignored", "send rid=1;2"),
        ("one direction twice", "direction-once", "send 1 send 2"),
        ("one stream twice", "rid-once", "send 1;1"),
        ("one stream in both directions", "rid-once", "send 1 recv 1"),
        ("one paused and not", "rid-once", "send 1,~1"),
    ):
        cases.invalid(comment, reqs, {"text": text}, reaction="ignore-part")
    return cases.finish()


# --- offers -------------------------------------------------------------------------------------------


def reading(offer_sdp: str, local: Transport = SERVER) -> Case:
    """Of each section that is taken the encodings, and the lines about them in the answer."""
    offer = read_offer(offer_sdp)
    given = sdp.parse(answer(offer, local, session_id=1, version=1).sdp)
    return {
        track.mid: {
            "encodings": list(track.rids),
            "extensions": {uri: number for uri, number in track.extensions.items() if uri in (RID, REPAIRED_RID)},
            "lines": [
                f"a={line.name}:{line.value}" for line in section.attributes if line.name in ("rid", "simulcast")
            ],
        }
        for track, section in zip(offer.tracks, given.sections, strict=True)
    }


def with_lines(lines: Sequence[str]) -> str:
    """An offer of one picture with these lines about its encodings."""
    return "".join(f"{line}\r\n" for line in (*OFFER, *lines))


def captured(browser: str) -> list[dict[str, Any]]:
    """What a browser offered, by the names of the encodings that it was asked for."""
    cases: list[dict[str, Any]] = json.loads((CAPTURED / f"simulcast-{browser}.json").read_text())["cases"]
    return cases


def _offers() -> Case:
    notes = {"Browser": ("Said by a real browser", "addresses of the machine are replaced by documentation addresses")}
    cases = Cases("simulcast-offers", notes)
    for browser in BROWSERS:
        cases.group("answer-offer", f"{browser}, recorded", "captured")
        for case in captured(browser):
            out = reading(case["offer"])
            given = {"sdp": case["offer"], "rids": case["rids"]}
            cases.valid(case["case"], "answer-reversed rid-extension answer-not-paused", given, out, ["Browser"])
    cases.group("answer-offer", "RFC 8853 sections 5.2 and 5.3.2, RFC 8851 section 6.2.2", "mutated")
    for comment, reqs, lines in _unusual():
        offer_sdp = with_lines(lines)
        cases.valid(comment, reqs, {"sdp": offer_sdp}, reading(offer_sdp))
    for comment, reqs, offer_sdp in _elsewhere():
        cases.valid(comment, reqs, {"sdp": offer_sdp}, reading(offer_sdp))
    return cases.finish()


def _unusual() -> list[tuple[str, str, list[str]]]:
    simple = "a=simulcast:send q;h;f"
    return [
        ("the largest first", "answer-reversed", [*THREE, "a=simulcast:send f;h;q"]),
        ("a line without simulcast", "answer-reversed", THREE),
        ("four streams", "three-streams", [*THREE, "a=rid:x send", "a=simulcast:send q;h;f;x"]),
        ("alternatives", "alternatives", [*THREE, "a=simulcast:send q,h;f"]),
        (
            "alternatives of which the first has another codec",
            "alternatives payload-types",
            ["a=rid:1 send pt=97", "a=rid:2 send pt=97,96", "a=simulcast:send 1,2"],
        ),
        ("paused from the start", "answer-not-paused", [*THREE, "a=simulcast:send ~q;~h;f"]),
        ("two simulcast lines", "one-line", [*THREE, "a=simulcast:send q;h", "a=simulcast:send f"]),
        ("a direction twice", "direction-once", [*THREE, "a=simulcast:send q send h"]),
        ("a stream twice", "rid-once", [*THREE, "a=simulcast:send q;q"]),
        ("a stream that no line defines", "rid-defined", ["a=rid:q send", "a=rid:h send", simple]),
        ("a stream that is to be received", "rid-defined", ["a=rid:q recv", "a=rid:h send", "a=rid:f send", simple]),
        ("a name that does not fit", "rid-defined", ["a=rid:" + "x" * 17 + " send", f"a=simulcast:send {'x' * 17}"]),
        ("a stream that two lines define", "rid-unique", [*THREE, "a=rid:q send max-fps=5", simple]),
        ("a line that cannot be read", "malformed-ignored", ["a=rid:q sends", "a=rid:h send", "a=rid:f send", simple]),
        ("simulcast that cannot be read", "malformed-ignored", [*THREE, "a=simulcast:q;h;f"]),
        ("a stream for another codec", "payload-types", ["a=rid:q send pt=98", "a=rid:h send", "a=simulcast:send q;h"]),
        (
            "restrictions",
            "restrictions-kept payload-types",
            ["a=rid:q send pt=96;max-width=320;max-fps", "a=rid:h send max-width=640", "a=simulcast:send q;h"],
        ),
        ("both directions", "answer-reversed", [*THREE, "a=rid:r recv", "a=simulcast:send q;h recv r"]),
    ]


def _elsewhere() -> list[tuple[str, str, str]]:
    without = "".join(f"{line}\r\n" for line in OFFER if RID not in line)
    lines = "".join(f"{line}\r\n" for line in (*THREE, "a=simulcast:send q;h;f"))
    session = with_lines(THREE).replace("a=setup:actpass\r\n", "a=setup:actpass\r\na=simulcast:send q;h;f\r\n")
    return [
        ("without the extension that names streams", "rid-extension", without + lines),
        ("simulcast for the whole session", "session-level", session),
    ]

"""Makes vectors/sdp: offers and answers, and how they are to be read.

`offers` has what browsers offered (recorded), what a receiver must tolerate and what it must refuse; `down` has our own
offers of slots; `answers` has answers to them, recorded, tolerated and refused.
Read next: tests/vectors/test_sdp.py, which replays them; tests/confirm/sdp.py, who else reads them so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meetref.protocol.answering import Offer, answer, read_offer
from meetref.protocol.negotiation import AUDIO_LEVEL, MID, TRANSPORT_SEQUENCE, Slot, TakenAnswer, Transport
from meetref.protocol.offering import offer, read_answer
from meetref.wire import candidate as candidates
from meetref.wire.candidate import Candidate

Case = dict[str, Any]

CAPTURED = Path(__file__).parent.parent / "captured"
FINGERPRINT = ("sha-256", bytes(range(32)).hex(":").upper())
CLIENT = Transport("clie", "clientpassword0123456789", (FINGERPRINT,), "active")
SERVER = Transport(
    "serv",
    "serverpassword0123456789",
    (FINGERPRINT,),
    "passive",
    (Candidate("1", 1, "udp", 2130706431, "192.0.2.1", 8080, "host"),),
    end_of_candidates=True,
)
NOTES = {
    "Browser": ("Said by a real browser", "addresses of the machine are replaced by documentation addresses"),
    "Tolerated": ("Not as we write it, and still to be understood", "the reading is that of the usual form"),
}


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"sdp/offers": _offers(), "sdp/down": _down(), "sdp/answers": _answers()}


class _Set:
    """Collects one set; cases are numbered as they are written, and new ones go to the end of a set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.groups: list[dict[str, Any]] = []
        self._number = 0

    def group(self, operation: str, provenance: str, source: str, **params: Any) -> None:
        group: dict[str, Any] = {"params": {"operation": operation, **params}, "provenance": provenance}
        self.groups.append({**group, "source": source, "verified_by": [], "provisional": True, "tests": []})

    def valid(self, comment: str, reqs: str, given: Case, out: Case, flags: Sequence[str] = ()) -> None:
        self._add(comment, reqs, given, flags).update(out=out, result="valid")

    def acceptable(self, comment: str, reqs: str, given: Case, out: Case) -> None:
        self._add(comment, reqs, given, ()).update(out=out, result="acceptable", allowed=["reject-sdp"])

    def invalid(self, comment: str, reqs: str, given: Case) -> None:
        self._add(comment, reqs, given, ()).update(result="invalid", reaction="reject-sdp")

    def done(self) -> dict[str, Any]:
        notes = {flag: {"description": what, "effect": effect} for flag, (what, effect) in NOTES.items()}
        return {"schema": "sdp", "set": self.name, "version": "1.0.0", "notes": notes, "groups": self.groups}

    def _add(self, comment: str, reqs: str, given: Case, flags: Sequence[str]) -> Case:
        self._number += 1
        names = [f"sdp/{name}" for name in reqs.split()]
        case: Case = {"id": f"{self.name}-{self._number:04d}", "comment": comment, "reqs": names}
        case.update(flags=list(flags), **{"in": given})
        self.groups[-1]["tests"].append(case)
        return case


# --- the readings ---------------------------------------------------------------------------------


def transport_reading(transport: Transport) -> Case:
    """One end of a connection as JSON has it."""
    return {
        "ufrag": transport.ufrag,
        "password": transport.password,
        "fingerprints": [list(fingerprint) for fingerprint in transport.fingerprints],
        "setup": transport.setup,
        "candidates": [candidates.serialize(candidate) for candidate in transport.candidates],
        "end_of_candidates": transport.end_of_candidates,
        "ice_options": list(transport.ice_options),
    }


def offer_reading(found: Offer) -> Case:
    """What is taken of an offer; a section that is not in `tracks` is rejected."""
    tracks = [
        {
            "mid": track.mid,
            "kind": track.kind,
            "active": track.active,
            "payload_type": next(iter(track.codecs)),
            "rtx_payload_type": next(iter(track.rtx), None),
            "feedback": sorted(feedback for codec in track.codecs.values() for feedback in codec.feedback),
            "extensions": track.extensions,
            "ssrc": track.ssrc,
            "rtx_ssrc": track.rtx_ssrc,
            "cname": track.cname,
            "streams": list(track.streams),
        }
        for track in found.tracks
    ]
    return {"mids": list(found.mids), "transport": transport_reading(found.transport), "tracks": tracks}


def answer_reading(taken: TakenAnswer) -> Case:
    """What an answer takes; `payload_type` null says that the section was rejected."""
    tracks = [
        {
            "mid": track.mid,
            "kind": track.kind,
            "receiving": track.receiving,
            "payload_type": track.payload_type,
            "rtx_payload_type": track.rtx_payload_type,
            "feedback": sorted(track.feedback),
            "extensions": track.extensions,
        }
        for track in taken.tracks
    ]
    return {"transport": transport_reading(taken.remote), "tracks": tracks}


def slots_from(rows: Sequence[Case]) -> list[Slot]:
    """The slots of a case, as the code has them."""
    return [Slot(**row) for row in rows]


def _slots(videos: int, audios: int) -> list[Case]:
    rows: list[Case] = []
    for seat in range(max(videos, audios)):
        common = {"cname": "meetref", "stream": f"seat-{seat}"}
        if seat < audios:
            rows.append({"mid": f"a{seat}", "kind": "audio", "ssrc": 1000 + seat, **common})
        if seat < videos:
            rows.append({"mid": f"v{seat}", "kind": "video", "ssrc": 2000 + seat, "rtx_ssrc": 3000 + seat, **common})
    return rows


# --- the sets -------------------------------------------------------------------------------------


def _recorded(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((CAPTURED / f"sdp-{name}.json").read_text(encoding="utf-8"))
    return data


def _client_offer() -> str:
    return offer(slots_from(_slots(1, 1)), CLIENT, session_id=7, version=1)


def _offers() -> dict[str, Any]:
    found = _Set("sdp-offers")
    for name in ("chromium", "firefox"):
        data = _recorded(name)
        found.group("read-offer", "captured", f"{name} {data['version']}, recorded {data['date']}")
        for case in data["cases"]:
            if "offer" in case:
                reqs = "reject-section answer-direction session-level"
                out = offer_reading(read_offer(case["offer"]))
                found.valid(case["case"], reqs, {"sdp": case["offer"]}, out, ["Browser"])
    base = _client_offer()
    for source, cases in TOLERATED_OFFERS:
        found.group("read-offer", "mutated", source)
        for comment, reqs, changes in cases:
            text = _changed(base, changes)
            found.valid(comment, reqs, {"sdp": text}, offer_reading(read_offer(text)), ["Tolerated"])
    found.group("read-offer", "mutated", "RFC 4588 section 8.6")
    for comment, reqs, changes in ROOM_LEFT:
        text = _changed(base, changes)
        found.acceptable(comment, reqs, {"sdp": text}, offer_reading(read_offer(text)))
    for source, cases in REFUSED_OFFERS:
        found.group("read-offer", "mutated", source)
        for comment, reqs, changes in cases:
            found.invalid(comment, reqs, {"sdp": _changed(base, changes)})
    return found.done()


def _down() -> dict[str, Any]:
    found = _Set("sdp-down")
    found.group("read-offer", "generated", "RFC 9429 section 5.2, RFC 9143 section 7.2")
    reqs = "bundle-attributes-once mid-extension rtx-apt fid msid rtcp-mux-written"
    for videos, audios in ((1, 1), (2, 2), (4, 4), (9, 9), (9, 5), (25, 5), (25, 9)):
        text = offer(slots_from(_slots(videos, audios)), SERVER, session_id=7, version=1)
        comment = f"{videos} video and {audios} audio slots"
        found.valid(comment, reqs, {"sdp": text}, offer_reading(read_offer(text)))
    rows = [{**row, "active": row["mid"] != "v1"} for row in _slots(2, 2)]
    text = offer(slots_from(rows), SERVER, session_id=7, version=2)
    found.valid("a slot that sends nothing", "answer-direction", {"sdp": text}, offer_reading(read_offer(text)))
    return found.done()


def _answers() -> dict[str, Any]:
    found = _Set("sdp-answers")
    for name in ("chromium", "firefox"):
        data = _recorded(name)
        found.group("read-answer", "captured", f"{name} {data['version']}, recorded {data['date']}")
        for case in data["cases"]:
            if "answer" in case:
                rows = _slots(case["videos"], case["audios"])
                found.valid(case["case"], "answer-same-sections extension-ids-kept", *_read(case["answer"], rows))
    rows = _slots(1, 1)
    base = answer(read_offer(_client_offer()), SERVER, session_id=8, version=1).sdp
    for source, cases in TOLERATED_ANSWERS:
        found.group("read-answer", "mutated", source)
        for comment, reqs, changes in cases:
            found.valid(comment, reqs, *_read(_changed(base, changes), rows), ["Tolerated"])
    found.group("read-answer", "mutated", "RFC 8285 section 7")
    for comment, reqs, changes in ROOM_LEFT_IN_ANSWERS:
        found.acceptable(comment, reqs, *_read(_changed(base, changes), rows))
    for source, cases in REFUSED_ANSWERS:
        found.group("read-answer", "mutated", source)
        for comment, reqs, changes in cases:
            found.invalid(comment, reqs, {"sdp": _changed(base, changes), "slots": rows})
    return found.done()


def _read(text: str, rows: list[Case]) -> tuple[Case, Case]:
    return {"sdp": text, "slots": rows}, answer_reading(read_answer(text, slots_from(rows)))


def _changed(text: str, changes: Sequence[tuple[str, str]]) -> str:
    """The text with some passages replaced, each of which must be there."""
    for old, new in changes:
        if old not in text:
            raise LookupError(f"{old!r} is not in the description")
        text = text.replace(old, new)
    return text


# --- what is changed ------------------------------------------------------------------------------

Changes = list[tuple[str, str]]

_VIDEO_MID = f"a=mid:v0\r\na=extmap:3 {TRANSPORT_SEQUENCE}\r\na=extmap:4 {MID}"
_AT_SESSION = (
    f"a=ice-ufrag:{CLIENT.ufrag}\r\na=ice-pwd:{CLIENT.password}\r\n"
    f"a=fingerprint:{' '.join(FINGERPRINT)}\r\na=setup:actpass\r\n"
)

Changed = tuple[str, str, Changes]

TOLERATED_OFFERS: list[tuple[str, list[Changed]]] = [
    ("RFC 8866 section 5", [
        ("lines end with a bare line feed", "line-ends", [("\r\n", "\n")]),
        ("unknown attributes everywhere", "unknown-attributes-kept", [
            ("a=group", "a=x-one\r\na=x-two:3\r\na=group"), ("a=mid:v0", "a=x-three:4 5\r\na=mid:v0")]),
        ("codec names in other letters", "codec-name-case", [("opus/48000", "OPUS/48000"), ("VP8/90000", "vp8/90000")]),
    ]),
    ("RFC 9143 section 6, RFC 9429 section 5.8.3", [
        ("transport in every section", "session-level", [(_AT_SESSION, ""), ("a=mid:", f"{_AT_SESSION}a=mid:")]),
        ("the second section only inside the group", "bundle-only", [
            ("m=video 9", "m=video 0"), ("a=mid:v0", "a=mid:v0\r\na=bundle-only")]),
    ]),
    ("RFC 3264 section 6, RFC 9143 section 7.3, RFC 8285 section 7, RFC 8839 section 5.1", [
        ("the first section has port 0: the second one is tagged", "tagged-section reject-section", [
            ("m=audio 9", "m=audio 0"), ("BUNDLE a0 v0", "BUNDLE v0")]),
        ("no transport-wide feedback without its line", "transport-wide-both", [("a=rtcp-fb:96 transport-cc\r\n", "")]),
        ("a header extension that the offerer only receives", "extension-direction", [
            (f"extmap:1 {AUDIO_LEVEL}", f"extmap:1/recvonly {AUDIO_LEVEL}")]),
        ("a candidate of an unknown kind is passed over", "candidate-unknown", [
            ("a=mid:a0", "a=candidate:1 1 ssltcp 9 192.0.2.1 443 typ host\r\na=mid:a0")]),
    ]),
    ("RFC 9429 section 5.3.1, the policy must-bundle, which browsers do not have by default", [
        ("a section outside the group is rejected", "reject-section", [("BUNDLE a0 v0", "BUNDLE a0")]),
    ]),
]  # fmt: skip

ROOM_LEFT: list[Changed] = [
    ("retransmissions of a format that is not there", "rtx-apt", [("apt=96", "apt=98")]),
]

REFUSED_OFFERS: list[tuple[str, list[Changed]]] = [
    ("RFC 9429 section 5.8, RFC 8866 section 5, RFC 8839 section 5.4, RFC 8122 section 5, RFC 9143 section 9.3", [
        ("no version line", "required-lines", [("v=0\r\n", "")]),
        ("no origin", "required-lines", [("o=- 7 1 IN IP4 0.0.0.0\r\n", "")]),
        ("no time", "required-lines", [("t=0 0\r\n", "")]),
        ("an unknown type of line", "unknown-letter", [("t=0 0\r\n", "t=0 0\r\nx=1\r\n")]),
        ("a section without a port", "malformed-refused", [("m=audio 9 UDP", "m=audio UDP")]),
        ("no ICE user fragment", "ice-credentials", [(f"a=ice-ufrag:{CLIENT.ufrag}\r\n", "")]),
        ("no ICE password", "ice-credentials", [(f"a=ice-pwd:{CLIENT.password}\r\n", "")]),
        ("a user fragment of three characters", "ice-credentials", [(f"ufrag:{CLIENT.ufrag}", "ufrag:abc")]),
        ("a password of 21 characters", "ice-credentials", [(CLIENT.password, "p" * 21)]),
        ("no fingerprint", "fingerprint-required", [(f"a=fingerprint:{' '.join(FINGERPRINT)}\r\n", "")]),
        ("the group names a section that is not there", "bundle-mids", [("BUNDLE a0 v0", "BUNDLE a0 v0 zz")]),
        ("a section of the group without a mid", "mid-required", [("a=mid:v0\r\n", "")]),
        ("no multiplexing of RTCP", "rtcp-mux-required", [("a=rtcp-mux\r\n", "")]),
    ]),
    ("RFC 8122 section 5, RFC 5888 section 4, RFC 9143 section 12, RFC 5576 section 4.1", [
        ("a fingerprint by MD5 only", "fingerprint-not-md5", [(" ".join(FINGERPRINT), "md5 " + ":".join(["AA"] * 16))]),
        ("a fingerprint of the wrong length", "fingerprint-length", [(FINGERPRINT[1], FINGERPRINT[1][:-3])]),
        ("two sections of one mid", "mid-unique", [("a=mid:v0", "a=mid:a0"), ("BUNDLE a0 v0", "BUNDLE a0")]),
        ("one extension id, two meanings", "bundle-extension-ids", [
            (_VIDEO_MID, _VIDEO_MID.replace("extmap:4", "extmap:1"))]),
        ("one SSRC in two sections", "ssrc-unique", [("a=ssrc:1000 ", "a=ssrc:2000 ")]),
    ]),
    ("RFC 8866 section 5.1, RFC 8842 section 5.2", [
        ("an unknown version", "version-zero", [("v=0", "v=1")]),
        ("no DTLS role", "setup-required", [("a=setup:actpass\r\n", "")]),
    ]),
    ("RFC 9143 section 9.1.1, RFC 9429 section 5.8.2", [
        ("one payload type, two meanings", "bundle-payload-types", [("SAVPF 111", "SAVPF 96"), (":111 ", ":96 ")]),
        ("lines of a section in the wrong order", "line-order", [("a=mid:v0", "a=mid:v0\r\nb=AS:9")]),
    ]),
]  # fmt: skip

TOLERATED_ANSWERS: list[tuple[str, list[Changed]]] = [
    ("RFC 8866 section 5, RFC 9143 section 7.4.1, RFC 3264 section 6.1", [
        ("lines end with a bare line feed", "line-ends", [("\r\n", "\n")]),
        ("port 0 inside the group is no rejection", "bundle-only", [
            ("m=video 9", "m=video 0"), ("a=mid:v0", "a=mid:v0\r\na=bundle-only")]),
        ("no section wants anything", "answer-direction", [("a=recvonly", "a=inactive")]),
        ("no retransmissions", "rtx-apt", [
            ("96 97\r\n", "96\r\n"), ("a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n", "")]),
    ]),
    ("RFC 9143 section 7.3.1", [
        ("the first section is rejected", "tagged-section reject-section", [
            ("m=audio 9", "m=audio 0"), ("BUNDLE a0 v0", "BUNDLE v0")]),
    ]),
]  # fmt: skip

ROOM_LEFT_IN_ANSWERS: list[Changed] = [
    ("an extension under another id does not count", "extension-ids-kept", [(f"extmap:4 {MID}", f"extmap:9 {MID}")]),
]

REFUSED_ANSWERS: list[tuple[str, list[Changed]]] = [
    ("RFC 3264 section 6, RFC 9429 section 5.8.3, RFC 8842 section 5.3", [
        ("another mid", "answer-same-sections", [("a=mid:v0", "a=mid:zz"), ("BUNDLE a0 v0", "BUNDLE a0 zz")]),
        ("another kind", "answer-same-sections", [("m=video", "m=audio")]),
        ("a section less", "answer-same-sections", [("m=video", "a=x-m:video"), ("BUNDLE a0 v0", "BUNDLE a0")]),
        ("the DTLS role is left open", "answer-setup", [("setup:passive", "setup:actpass")]),
        ("no fingerprint", "fingerprint-required", [(f"a=fingerprint:{' '.join(FINGERPRINT)}\r\n", "")]),
    ]),
    ("RFC 9143 section 7.3.2: a section that was offered only inside the group cannot leave it", [
        ("an accepted section outside the group", "bundle-required", [("BUNDLE a0 v0", "BUNDLE a0")]),
    ]),
]  # fmt: skip

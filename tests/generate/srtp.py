"""Makes vectors/srtp: published numbers, packets locked and unlocked under every profile, hidden headers, and indexes.

A packet is made by our engine from the keys and the index that its case tells; a damaged one is such a packet with one
part of it changed. Whoever replays them puts a source to the index that is told before the packet comes.
Specification: RFC 3711, RFC 7714, RFC 9335, RFC 6904.
Read next: `tests/generate/srtppublished.py`; tests/vectors/test_srtp.py, which replays them; tests/confirm/srtp.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Literal

from meetref.protocol.keyschedule import SRTP_SIZES, SRTPKeys
from meetref.protocol.lock import PROFILE_NAMES
from meetref.protocol.srtp import CIPHERS, Hiding
from meetref.protocol.srtphiding import HidingSession
from meetref.protocol.srtpsession import OwnSession
from meetref.wire import rtcp, rtp
from tests.generate import srtppublished as published
from tests.generate.mediacases import Cases

Kind = Literal["rtp", "rtcp"]
Step = dict[str, Any]

NOTES = {
    "Damaged": ("One part of an authentic packet was changed, or its index is another", "it is dropped and counted"),
    "RollOver": ("The roll-over counter is not 0", "the state of the source is put to the index first"),
}
PUBLISHED_NOTES = {
    "InClear": ("The packet is authenticated only", "WebRTC has no such packets; who knows none drops it"),
    "Slip": ("The text beside the number is wrong, the number is not", "see the comment"),
}
HIDDEN_NOTES = {**NOTES, "Unhidden": ("There is nothing to hide, or nothing that may be", "an ordinary packet")}
SSRC = 0xCAFEBABE
CIPHER = {0x0001: "counter mode", 0x0002: "counter mode", 0x0007: "AEAD", 0x0008: "AEAD"}
SOURCES = {"counter mode": "RFC 3711", "AEAD": "RFC 7714"}
CIPHER_REQS = {
    ("counter mode", "rtp"): "counter-mode authentication-hmac-sha1 roll-over-authenticated",
    ("counter mode", "rtcp"): "counter-mode authentication-hmac-sha1 control-tag-length",
    ("AEAD", "rtp"): "aead-nonce aead-associated-data aead-tag-whole key-derivation-aead",
    ("AEAD", "rtcp"): "aead-nonce aead-control aead-tag-whole key-derivation-aead",
}


def sets() -> dict[str, dict[str, Any]]:
    """Every set of the stem."""
    return {
        "srtp/published": _published(),
        "srtp/packets": _packets(),
        "srtp/hidden": _hidden(),
        "srtp/indexes": _indexes(),
    }


def keys_of(profile: int) -> tuple[bytes, bytes]:
    """A master key and a master salt."""
    key, salt = SRTP_SIZES[profile]
    return bytes(range(key)), bytes(range(0xA0, 0xA0 + salt))


def session_of(profile: int, key: bytes, salt: bytes, hiding: Hiding | None = None) -> OwnSession:
    """A session whose both directions have these keys."""
    keys = SRTPKeys(profile, key, salt, key, salt)
    make = CIPHERS[profile]
    return OwnSession(keys, make) if hiding is None else HidingSession(keys, make, hiding)


def lock(session: OwnSession, kind: Kind, packet: bytes, index: int) -> bytes:
    """The packet locked under this index, whatever came before."""
    if kind == "rtcp":
        session._out_control.sender(int.from_bytes(packet[4:8]), 0).highest = index - 1
        return session.lock_control(packet)
    session._out.sender(int.from_bytes(packet[8:12]), 0).highest = index
    return session.lock(packet)


def unlock(session: OwnSession, kind: Kind, packet: bytes, index: int) -> bytes | None:
    """What is in the packet for a receiver that has come to about this index."""
    if kind == "rtcp":
        return session.unlock_control(packet)
    way, ssrc = session._in, int.from_bytes(packet[8:12])
    way.admit(ssrc, way.begin(ssrc, index))
    return session.unlock(packet)


def _rtp(sequence: int, payload: bytes = b"a picture, or a part of one", **more: Any) -> bytes:
    given: dict[str, Any] = {"payload_type": 96, "timestamp": 3000, "ssrc": SSRC} | more
    return rtp.serialize(rtp.Packet(sequence=sequence & 0xFFFF, payload=payload, **given))


def _plain_packets() -> Iterator[tuple[str, bytes, int]]:
    """Comment, packet, index."""
    csrcs = [0x11111111, 0x22222222]
    yield "a header and a payload", _rtp(1), 1
    yield "no payload", _rtp(2, b""), 2
    yield "padding is encrypted with the payload", _rtp(3, padding_size=7), 3
    yield "the marker is set", _rtp(4, marker=True), 4
    yield "CSRCs", _rtp(5, csrcs=csrcs), 5
    yield "one-byte extension elements", _rtp(6, extensions={1: b"\x8a", 3: b"\0\x2a"}), 6
    yield "two-byte extension elements", _rtp(7, extensions={1: bytes(20), 3: b""}), 7
    yield "an extension of another profile", _rtp(8, extension_profile=0xABAC, extension_body=bytes(8)), 8
    yield "CSRCs, elements and padding", _rtp(9, csrcs=csrcs, extensions={2: b"0"}, padding_size=4), 9
    yield "the last before a roll-over", _rtp(0xFFFF), 0xFFFF
    yield "the first after a roll-over", _rtp(0), 1 << 16
    yield "in the middle of the seventh round", _rtp(0x8000), 6 << 16 | 0x8000
    yield "the highest roll-over counter", _rtp(0x1234), 0xFFFFFFFF << 16 | 0x1234


def _control_packets() -> Iterator[tuple[str, bytes, int]]:
    report = rtcp.serialize([rtcp.ReceiverReport(SSRC, []), rtcp.named(SSRC, "somebody")])
    sender = rtcp.SenderReport(
        ssrc=SSRC, ntp=0x0123456789ABCDEF, rtp_timestamp=3000, packet_count=7, octet_count=8000, blocks=[]
    )
    yield "a receiver report and a name", report, 1
    yield "a sender report", rtcp.serialize([sender]), 2
    yield "the first eight octets alone", report[:8], 3
    yield "a high index", report, 0x12345678
    yield "the last index", report, 0x7FFFFFFF


def _given(profile: int, kind: Kind, index: int, **more: Any) -> dict[str, Any]:
    key, salt = keys_of(profile)
    given = {"profile": profile, "kind": kind, "master_key": key.hex(), "master_salt": salt.hex()}
    return given | {"index": str(index)} | more


def _damaged(locked: bytes, kind: Kind, index: int, tail: int) -> Iterator[tuple[str, bytes, int]]:
    """Comment, packet, index: a packet with CSRCs and elements, or a control packet, each part changed in turn."""
    if kind == "rtp":
        places = {"version": 0, "payload type": 1, "sequence number": 3, "timestamp": 7, "source": 11, "first CSRC": 12}
        places |= {"extension's profile": 20, "element": 25, "payload": 28}
    else:
        places = {"packet type": 1, "source": 7, "encrypted part": 8}
        places |= {"E flag": len(locked) - tail - 4, "index": len(locked) - tail - 1}
    places |= {"tag's first octet": len(locked) - max(tail, 4 if kind == "rtcp" else 0) - (16 if not tail else 0)}
    if tail:
        places["tag's first octet"], places["tag's last octet"] = len(locked) - tail, len(locked) - 1
    for what, at in places.items():
        yield f"another {what}", locked[:at] + bytes([locked[at] ^ 0x80]) + locked[at + 1 :], index
    yield "the last octet is missing", locked[:-1], index
    yield "an octet too many", locked + b"\0", index
    yield "no tag at all", locked[: -(tail or 16)], index
    if kind == "rtp":
        yield "of the round before", locked, index - (1 << 16)


def _packets() -> dict[str, Any]:
    cases = Cases("srtp-packets", NOTES)
    for profile, name in PROFILE_NAMES.items():
        for kind in ("rtp", "rtcp"):
            _packets_of(cases, profile, name, "rtp" if kind == "rtp" else "rtcp")
    return cases.finish() | {"schema": "crypto"}


def _packets_of(cases: Cases, profile: int, name: str, kind: Kind) -> None:
    cipher = CIPHER[profile]
    reqs = f"profiles key-derivation session-keys-apart {CIPHER_REQS[cipher, kind]} "
    reqs += "payload-encrypted" if kind == "rtp" else "control-trailer control-authenticated control-encrypted-flag"
    source = f"{SOURCES[cipher]}, {name}, {kind.upper()}"
    key, salt = keys_of(profile)
    session = session_of(profile, key, salt)
    cases.group("lock", source)
    for comment, packet, index in _plain_packets() if kind == "rtp" else _control_packets():
        given = _given(profile, kind, index, packet=packet.hex())
        flags = ["RollOver"] if kind == "rtp" and index >> 16 else []
        cases.valid(comment, reqs, given, {"locked": lock(session, kind, packet, index).hex()}, flags)
    cases.group("unlock", source)
    index = 1 << 16 | 40 if kind == "rtp" else 5
    plain = _rtp(40, csrcs=[1, 2], extensions={2: b"0"}) if kind == "rtp" else next(_control_packets())[1]
    locked = lock(session_of(profile, key, salt), kind, plain, index)
    flags = ["RollOver"] if kind == "rtp" else []
    cases.valid(
        "as it was locked", reqs, _given(profile, kind, index, locked=locked.hex()), {"packet": plain.hex()}, flags
    )
    tail = session._in_control.tail if kind == "rtcp" else session._in.tail
    for comment, octets, at in _damaged(locked, kind, index, tail):
        given = _given(profile, kind, at, locked=octets.hex())
        cases.invalid(comment, "tag-wrong", given, ["Damaged"])


def _hidden() -> dict[str, Any]:
    cases = Cases("srtp-hidden", HIDDEN_NOTES)
    for profile, name in PROFILE_NAMES.items():
        _cryptex_of(cases, profile, name)
    for profile, name in PROFILE_NAMES.items():
        _elements_of(cases, profile, name)
    return cases.finish() | {"schema": "crypto"}


def _hidden_locked(profile: int, hiding: Hiding, packet: bytes, index: int) -> bytes:
    return lock(session_of(profile, *keys_of(profile), hiding), "rtp", packet, index)


def _cryptex_of(cases: Cases, profile: int, name: str) -> None:
    hiding, csrcs = Hiding(cryptex=True), [0x0001E240, 0x0000B26E]
    reqs = "cryptex-hidden-part cryptex-tags" + (" cryptex-associated-data" if CIPHER[profile] == "AEAD" else "")
    cases.group("lock-cryptex", f"RFC 9335 sections 5.1 and 6.2, {name}")
    for comment, packet, index in (
        ("one-byte elements", _rtp(1, extensions={1: b"\x8a", 3: b"\0\x2a"}), 1),
        ("two-byte elements", _rtp(2, extensions={1: bytes(20)}), 2),
        ("CSRCs and elements", _rtp(3, csrcs=csrcs, extensions={1: b"\x8a"}), 3),
        ("all fifteen CSRCs, after a roll-over", _rtp(4, csrcs=list(range(15)), extensions={1: b"0"}), 1 << 16 | 4),
        ("nothing to hide", _rtp(5), 5),
    ):
        flags = (["RollOver"] if index >> 16 else []) + (["Unhidden"] if comment.startswith("nothing") else [])
        out = {"locked": _hidden_locked(profile, hiding, packet, index).hex()}
        cases.valid(comment, reqs, _given(profile, "rtp", index, packet=packet.hex()), out, flags)
    cases.group("lock-cryptex", f"RFC 9335 section 5.1, {name}")
    packet = _rtp(6, csrcs=csrcs)
    out = {"locked": _hidden_locked(profile, hiding, packet, 6).hex()}
    given = _given(profile, "rtp", 6, packet=packet.hex())
    cases.valid("CSRCs alone get an empty extension", f"cryptex-empty-extension {reqs}", given, out)
    cases.group("lock-cryptex", f"RFC 9335 section 5, {name}")
    for comment, packet, index in (
        ("an extension of another profile", _rtp(7, extension_profile=0xABAC, extension_body=bytes(8)), 7),
        ("two-byte elements with application bits", _rtp(8, extension_profile=0x1005, extensions={1: b"0"}), 8),
    ):
        out = {"locked": _hidden_locked(profile, hiding, packet, index).hex()}
        given = _given(profile, "rtp", index, packet=packet.hex())
        cases.acceptable(comment, "cryptex-known-extensions-only", given, out, ["Unhidden"])
    cases.group("unlock-cryptex", f"RFC 9335 sections 5.2 and 6.3, {name}")
    plain = _rtp(9, csrcs=csrcs, extensions={1: b"\x8a"})
    locked = _hidden_locked(profile, hiding, plain, 9)
    given = _given(profile, "rtp", 9, locked=locked.hex())
    cases.valid("as it was locked", reqs, given, {"packet": plain.hex()})
    ordinary = lock(session_of(profile, *keys_of(profile)), "rtp", plain, 9)
    given = _given(profile, "rtp", 9, locked=ordinary.hex())
    cases.valid("one that is not hidden", "cryptex-tag-checked", given, {"packet": plain.hex()}, ["Unhidden"])
    for what, at in (("CSRC", 13), ("tag", 20), ("extension's length", 23), ("element", 24), ("payload", 30)):
        octets = locked[:at] + bytes([locked[at] ^ 0x02]) + locked[at + 1 :]
        cases.invalid(f"another {what}", "tag-wrong", _given(profile, "rtp", 9, locked=octets.hex()), ["Damaged"])


def _elements_of(cases: Cases, profile: int, name: str) -> None:
    hiding = Hiding(elements=frozenset({1, 3, 4}))
    reqs = "header-elements-keys header-elements-stream header-elements-mask header-elements-before-tag"
    cases.group("lock-elements", f"RFC 6904 section 3, {name}")
    extensions = {1: b"12345678", 2: b"abc", 3: b"\x8e", 4: b"7654321"}
    packets = [
        ("three of four one-byte elements", _rtp(1, extensions=extensions), 1),
        ("three of four two-byte elements", _rtp(2, extensions=extensions | {2: bytes(30)}), 2),
        ("behind CSRCs, after a roll-over", _rtp(3, csrcs=[1, 2], extensions=extensions), 1 << 16 | 3),
        ("no element of those", _rtp(4, extensions={2: b"abc"}), 4),
        ("no extension", _rtp(5), 5),
    ]
    for comment, packet, index in packets:
        locked = _hidden_locked(profile, hiding, packet, index)
        given = _given(profile, "rtp", index, packet=packet.hex(), elements=[1, 3, 4])
        cases.valid(comment, reqs, given, {"locked": locked.hex()}, ["RollOver"] if index >> 16 else [])
    cases.group("unlock-elements", f"RFC 6904 section 3, {name}")
    plain, index = packets[0][1], packets[0][2]
    locked = _hidden_locked(profile, hiding, plain, index)
    given = _given(profile, "rtp", index, locked=locked.hex(), elements=[1, 3, 4])
    cases.valid("as it was locked", f"{reqs} header-elements-after-tag", given, {"packet": plain.hex()})
    for what, at in (("encrypted value", 17), ("value in clear", 26), ("id", 16)):
        octets = locked[:at] + bytes([locked[at] ^ 0x10]) + locked[at + 1 :]
        given = _given(profile, "rtp", index, locked=octets.hex(), elements=[1, 3, 4])
        cases.invalid(f"another {what}", "header-elements-after-tag tag-wrong", given, ["Damaged"])


# --- published ------------------------------------------------------------------------------------


def _published() -> dict[str, Any]:
    cases = Cases("srtp-published", PUBLISHED_NOTES)
    cases.group("key-stream", "RFC 3711 appendix B.2", "published")
    for number, block in published.STREAM_BLOCKS.items():
        given = {"key": published.STREAM_KEY, "begin": published.STREAM_BEGIN, "block": number}
        cases.valid(f"block {number:#06x}", "counter-mode", given, {"octets": block})
    for derivation in published.DERIVATIONS:
        cases.group("derive", derivation.source, "published")
        for label, made in derivation.made.items():
            given = {"master_key": derivation.key, "master_salt": derivation.salt, "label": label}
            given |= {"size": len(made) // 2}
            reqs = "header-elements-keys" if label > 5 else "key-derivation"
            reqs += " key-derivation-aead" if len(derivation.key) == 64 else ""
            cases.valid(f"label {label}", reqs, given, {"octets": made})
    _published_aead(cases)
    _published_hidden(cases)
    return cases.finish() | {"schema": "crypto"}


def _published_aead(cases: Cases) -> None:
    reqs = {"rtp": "aead-nonce aead-associated-data aead-tag-whole", "rtcp": "aead-nonce aead-control aead-tag-whole"}
    for kind, rows, clear in (
        ("rtp", published.AEAD_PACKETS, published.AEAD_PACKETS_IN_CLEAR),
        ("rtcp", published.AEAD_CONTROL, published.AEAD_CONTROL_IN_CLEAR),
    ):
        index = published.CONTROL_INDEX if kind == "rtcp" else 0xF17B
        cases.group("lock-with-session-keys", f"RFC 7714 section {16 if kind == 'rtp' else 17}", "published")
        for row in rows:
            given = {"kind": kind, "session_key": row.key, "session_salt": row.salt, "index": str(index)}
            cases.valid(
                f"{row.source}: {row.comment}", reqs[kind], given | {"packet": row.plain}, {"locked": row.locked}
            )
        cases.group("unlock-with-session-keys", f"RFC 7714 section {16 if kind == 'rtp' else 17}", "published")
        for row in clear:
            given = {"kind": kind, "session_key": row.key, "session_salt": row.salt, "index": str(index)}
            comment, out = f"{row.source}: {row.comment}, authenticated only", {"packet": row.plain}
            if kind == "rtp":  # section 8.2: all SRTP packets are encrypted
                cases.invalid(comment, "aead-associated-data", given | {"locked": row.locked}, ["InClear"])
            else:
                reqs_of_clear = "control-in-clear control-encrypted-flag"
                cases.acceptable(comment, reqs_of_clear, given | {"locked": row.locked}, out, ["InClear"])


def _published_hidden(cases: Cases) -> None:
    for profile, rows in ((0x0001, published.CRYPTEX_COUNTER_MODE), (0x0007, published.CRYPTEX_AEAD)):
        reqs = "cryptex-hidden-part cryptex-tags" + (" cryptex-associated-data" if profile == 0x0007 else "")
        cases.group("lock-cryptex", f"RFC 9335 appendix A.{1 if profile == 0x0001 else 2}", "published")
        for row in rows:
            given = {"profile": profile, "kind": "rtp", "master_key": row.key, "master_salt": row.salt}
            given |= {"index": str(int(row.plain[4:8], 16)), "packet": row.plain}
            cases.valid(f"{row.source}: {row.comment}", reqs, given, {"locked": row.locked})
    cases.group("cover-elements", "RFC 6904 appendix A.2", "published")
    made = published.DERIVATIONS[-1]
    given = {"master_key": made.key, "master_salt": made.salt, "elements": list(published.ELEMENTS)}
    given |= {
        "ssrc": published.ELEMENTS_SOURCE,
        "index": str(published.ELEMENTS_NUMBER),
        "extension": published.ELEMENTS_PLAIN,
    }
    comment = "elements 1, 3 and 4; the text names 1, 2 and 4 beside the mask of these"
    reqs_of_mask = "header-elements-mask header-elements-stream header-elements-keys"
    cases.valid(comment, reqs_of_mask, given, {"extension": published.ELEMENTS_COVERED}, ["Slip"])


# --- indexes --------------------------------------------------------------------------------------


class _Line:
    """What arrives, in order: authentic packets by their index, forged ones, and whether each must open."""

    def __init__(self, profile: int, kind: Kind) -> None:
        self.kind: Kind = kind
        self.init = _given(profile, kind, 0)
        del self.init["index"]
        self.steps: list[Step] = []
        self._session = session_of(profile, *keys_of(profile))

    def arrives(self, index: int, *, opens: bool = True, forged: bool = False, ssrc: int = SSRC) -> _Line:
        if self.kind == "rtp":
            plain = _rtp(index & 0xFFFF, b"%d" % index, ssrc=ssrc)
        else:
            plain = rtcp.serialize([rtcp.ReceiverReport(ssrc, []), rtcp.named(ssrc, f"{index}")])
        way = self._session._out if self.kind == "rtp" else self._session._out_control
        way.sources.clear()
        locked = lock(self._session, self.kind, plain, index)
        if forged:
            locked = locked[:-6] + bytes([locked[-6] ^ 1]) + locked[-5:]
        receive = {"hex": locked.hex(), "index": str(index), "authentic": not forged}
        expect = {"packet": plain.hex() if opens else None}
        self.steps.append({"at_ms": 10 * len(self.steps), "receive": receive, "expect": expect})
        return self

    def all(self, *indexes: int) -> _Line:
        for index in indexes:
            self.arrives(index)
        return self


def _lines(profile: int) -> Iterator[tuple[str, str, _Line]]:
    def line() -> _Line:
        return _Line(profile, "rtp")

    window, guess, shut = "replay-window", "index-guess roll-over", "replay-updated-after-authentication tag-wrong"
    yield "in order", guess, line().all(10, 11, 12)
    yield "one comes late", f"{window} {guess}", line().all(10, 12, 11)
    yield "each comes twice", window, line().arrives(10).arrives(10, opens=False).all(12, 11).arrives(11, opens=False)
    yield "a roll-over in order", guess, line().all(0xFFFE, 0xFFFF, 0x10000, 0x10001)
    yield "a roll-over in disorder", guess, line().all(0xFFFC, 0xFFFF, 0x10001, 0x10000, 0xFFFE, 0x10002, 0xFFFD)
    yield "the packets around the roll-over are lost", guess, line().all(0xFFE0, 0x10040)
    yield "a repetition from before the roll-over", window, line().all(0xFFFF, 0x10001).arrives(0xFFFF, opens=False)
    yield "32767 packets are lost", guess, line().all(0xFFF0, 0x10005, 0x10005 + 0x7FFF)
    lost = line().all(0xFFF0, 0x10005).arrives(0x10005 + 0x8001, opens=False).arrives(0x10006)
    yield "32768 packets are lost: the next is taken for an older one", guess, lost
    yield "five rounds in big steps", guess, line().all(*range(0, 330_000, 30_000))
    yield "sixty-three packets late", window, line().all(200, 137).arrives(137, opens=False)
    far = line().all(10, 11, 12, 5000).arrives(11, opens=False)
    yield "an old one again, far behind the window", window, far
    forged = line().arrives(100).arrives(200, forged=True, opens=False).all(101, 200)
    yield "a forged packet ahead moves nothing", shut, forged
    rolled = line().arrives(0xFFFF).arrives(0x10003, forged=True, opens=False).all(0xFFFE, 0x10000, 0x10003)
    yield "a forged packet makes no roll-over", shut, rolled
    first = line().arrives(50, forged=True, opens=False).all(49, 50)
    yield "a forged packet is the first of its source", shut, first
    two = line().arrives(10).arrives(10, ssrc=SSRC + 1).arrives(10, opens=False).arrives(11, ssrc=SSRC + 1)
    yield "two sources count for themselves", f"index-per-source {window}", two
    dice = random.Random(profile)
    mixed, seen, base = line(), set[int](), 0xFF80
    for place in range(120):
        index = base + max(0, place + dice.randrange(-20, 3))
        mixed.arrives(index, opens=index not in seen)
        seen.add(index)
    yield "a disordered stream with repetitions, across a roll-over", f"{window} {guess}", mixed


def _control_lines(profile: int) -> Iterator[tuple[str, str, _Line]]:
    window, shut = "replay-window", "replay-updated-after-authentication tag-wrong"
    line = _Line(profile, "rtcp").all(1, 2).arrives(2, opens=False).all(4, 3).arrives(3, opens=False)
    yield "late ones and repeated ones", window, line
    line = _Line(profile, "rtcp").arrives(1).arrives(0x7FFFFFFF).arrives(1, opens=False)
    yield "the last index, and an old one again", window, line
    line = _Line(profile, "rtcp").arrives(7).arrives(900, forged=True, opens=False).all(8, 900)
    yield "a forged packet ahead moves nothing", shut, line
    yield "index 0 may be the first", window, _Line(profile, "rtcp").all(0, 1).arrives(0, opens=False)


def _indexes() -> dict[str, Any]:
    number, groups = 0, []
    for profile, name in PROFILE_NAMES.items():
        for kind, lines in (("rtp", _lines(profile)), ("rtcp", _control_lines(profile))):
            tests = []
            for comment, reqs, line in lines:
                number += 1
                tests.append(
                    {
                        "id": f"srtp-indexes-{number:04d}",
                        "comment": comment,
                        "reqs": [f"srtp/{req}" for req in reqs.split()],
                        "init": line.init,
                        "steps": line.steps,
                    }
                )
            source = f"RFC 3711 sections {'3.3.1 and 3.3.2' if kind == 'rtp' else '3.3.2 and 3.4'}, {name}"
            params = {"operation": "unlock-in-turn"}
            group = {"params": params, "provenance": "generated", "source": source}
            groups.append({**group, "verified_by": [], "provisional": True, "tests": tests})
    return {"schema": "machine", "set": "srtp-indexes", "version": "1.0.0", "notes": {}, "groups": groups}

"""Makes vectors/multiplex: what the first octets of datagrams and of TCP streams say.

Expected results are written down here from the documents, not taken from `wire/multiplex`.
Read next: tests/vectors/test_multiplex.py, which replays them.
"""

from __future__ import annotations

from typing import Any

from tests.generate.mediacases import Cases

RANGES = [
    (0, 3, "stun"),
    (4, 15, "unknown"),
    (16, 19, "zrtp"),
    (20, 63, "dtls"),
    (64, 79, "turn-channel"),
    (80, 127, "quic"),
    (128, 191, "rtp"),
    (192, 255, "quic"),
]
RTCP = {
    "RFC 5761 section 4": [0, 96, 127, 191, 192, 200, 201, 202, 203, 204, 205, 206, 207, 224, 255],
    "RFC 5761 section 4: packet types that nobody uses yet": [209, 223],
}
STUN = "000100002112a442"
STREAMS = [
    ("STUN Binding request", f"{STUN}b7e7", "stun", 8),
    ("TURN Allocate request", "000300082112a442b7e7", "stun", 8),
    ("STUN success answer", "0101000c2112a442b7e7", "stun", 8),
    ("ICE over TCP: a framed Binding request", f"0014{STUN}", "ice-tcp", 10),
    ("ICE over TCP: a longer one", "0064010100502112a442", "ice-tcp", 10),
    ("ICE over TCP with a length that looks like TLS", f"1603{STUN}", "ice-tcp", 10),
    ("TLS 1.3 hello in a 1.0 record", "1603010200010001fc03", "tls", 7),
    ("TLS 1.2 hello in a 1.2 record", "160303005a0100005603", "tls", 7),
    ("a TLS alert first", "15030100020228000000", "unknown", 7),
    ("a TLS record with a ServerHello", "160303005a0200005603", "unknown", 7),
    ("HTTP GET", b"GET / HTTP".hex(), "http", 4),
    ("HTTP HEAD", b"HEAD / HTT".hex(), "http", 5),
    ("HTTP POST", b"POST /whip".hex(), "http", 5),
    ("HTTP PUT", b"PUT / HTTP".hex(), "http", 4),
    ("HTTP DELETE", b"DELETE /wh".hex(), "http", 7),
    ("HTTP OPTIONS", b"OPTIONS * ".hex(), "http", 8),
    ("HTTP PATCH", b"PATCH /whi".hex(), "http", 6),
    ("HTTP CONNECT", b"CONNECT a:".hex(), "http", 8),
    ("HTTP/2 with prior knowledge", b"PRI * HTTP".hex(), "http", 4),
    ("a method in small letters", b"get / HTTP".hex(), "unknown", 3),
    ("SSH", b"SSH-2.0-Op".hex(), "unknown", 3),
    ("nothing but zeros", "00" * 10, "unknown", 7),
    ("a cookie with a bit wrong", "000100002112a443b7e7", "unknown", 8),
]


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"multiplex/datagrams": _datagrams(), "multiplex/streams": _streams()}


def _datagrams() -> dict[str, Any]:
    cases = Cases("multiplex-datagrams", {})
    cases.group("classify", "RFC 9443 section 3")
    for first, last, kind in RANGES:
        for octet in (first, last):
            reqs = "unknown-dropped" if kind == "unknown" else "first-octet"
            cases.valid(f"first octet {octet}: {kind}", reqs, bytes([octet]) + bytes(11), {"kind": kind})
    for source, second_octets in RTCP.items():
        cases.group("rtcp", source)
        for octet in second_octets:
            said = {"rtcp": 192 <= octet <= 223}
            comment = f"second octet {octet}: {'RTCP' if said['rtcp'] else 'RTP'}"
            cases.valid(comment, "rtcp-packet-types", bytes([0x80, octet]) + bytes(10), said)
    return cases.finish()


def _streams() -> dict[str, Any]:
    cases = Cases("multiplex-streams", {})
    cases.group("classify", "RFC 4571 section 2")
    for comment, octets, kind, needed in STREAMS:
        cases.valid(comment, "stream-head", bytes.fromhex(octets), {"kind": kind, "needed": needed})
    return cases.finish()

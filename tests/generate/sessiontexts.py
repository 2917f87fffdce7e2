"""What the README of a session says: what to look at, and every packet of it on a line (runs of media on one).

Stands below `sessions.py`, which tells the stories. The words on each line come from the packet's own octets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from meetref.wire import attribute, dtls, handshake12, rtcp, rtp, stun, udp, vp8
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Packet

TEXTS: dict[str, dict[str, str]] = {
    "files": {
        "session.pcapng": "the packets as they were on the wire, with the secrets of DTLS in front of them",
        "plain.pcapng": "the same packets at the same times, SRTP as RTP and SRTCP as RTCP",
        "secrets.json": "all secrets as numbers: master secrets, SRTP keys and salts, ICE passwords",
        "sdp.json": "the descriptions in the order in which they passed the signaling, which is not in the capture",
    },
    "endpoints": {
        "alice": "the first of two",
        "bob": "the second of two",
        "server": "the forwarding server, seen from its own side",
    },
}

LOOK_AT = {
    "whole-call": """\
Alice comes in, Bob comes 300 ms later, both show a picture and hum; Bob leaves, then Alice. The capture was taken at
both people and not at the server: a packet of Alice to Bob is there twice, under two different keys, as she sent it to
the server and as the server sent it to Bob. Each person has two connections, *up* (own media) and *down* (everybody
else's), on two ports: four handshakes in all.

Look at: the order on each port (checks, then DTLS, then media); the sequence numbers of Alice's picture at `alice` and
at `bob`; the picture loss indication that the server sends to Alice when Bob comes, and the keyframe that follows it;
the sender reports, once a second; the close alerts at the end. [The tutorial](../../../tutorials/00-the-whole-call.md)
goes through it packet by packet.
""",
    "stun-check": """\
Alice controls and knows Bob's candidate; Bob knows nobody's. Both know both passwords.

Look at: USERNAME, receiver's fragment first; PRIORITY; ICE-CONTROLLING and ICE-CONTROLLED, each with a tie-breaker;
the XOR-MAPPED-ADDRESS of each answer, which is where the request came from. Bob's own check is a triggered one: it
goes to where hers came from, and so he has a peer-reflexive candidate. USE-CANDIDATE nominates the pair; from then on
a check every five seconds or so is all that consent takes. MESSAGE-INTEGRITY of a request is made with the password of
its receiver, and so is the one of the answer to it; `secrets.json` has both.
""",
    "dtls12-handshake": """\
Alice is the client. Datagrams may have 280 octets only, so certificates travel in fragments.

Look at: the cookie, which Bob asks for before he remembers anything; ClientHello twice, the same random in it; message
numbers and fragment offsets; CertificateRequest, and Alice's Certificate and CertificateVerify, because in a call both
sides prove who they are; use_srtp and extended_master_secret in both hellos; the epoch, which ChangeCipherSpec raises
from 0 to 1; the close alerts at the end, encrypted as everything behind ChangeCipherSpec. Captured at Alice.
""",
    "lossy-repair": """\
Bob's way loses six packets in a hundred in both directions, Alice's none. Captured at Bob and at the server: what left
one of them for the other and did not come there was lost.

Look at: Bob's NACKs. The server answers one for the picture on the RTX stream, whose payload begins with the number
that was lost; sound has no such stream, and the same packet comes again, octet for octet. Bob answers the server's
NACKs in that way, too. Some requests and some repairs get lost themselves: the same number is asked for again. Alice
asks for what was lost between Bob and the server: it comes as soon as the server has it. At Bob's coming the server
asks Alice for a keyframe (PictureLoss). The receiver reports say that nothing was lost, because what was repaired
counts as received.
""",
}

MEDIA_WORDS = {111: "Opus", 96: "VP8", 97: "RTX"}


def readme(name: str, title: str, interfaces: Sequence[str], packets: Sequence[Packet]) -> str:
    """The whole page. `packets` in the clear; their numbers are those that Wireshark shows."""
    lines = "\n".join(_collapsed(interfaces, packets))
    return f"# {title}\n\n{LOOK_AT[name]}\n## Packet by packet\n\n{HOW}\n```text\n{lines}\n```\n"


HOW = """\
Number, seconds, where it was captured and in which direction, from whom to whom, what. The first packet of a media
stream is shown, and all that ask, report or repair; `...` stands for the rest. Made by `meetref vectors generate`.
"""


def _collapsed(interfaces: Sequence[str], packets: Sequence[Packet]) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    hidden = 0
    for number, packet in enumerate(packets, 1):
        data = udp.parse(packet.data).data
        if _is_routine(packet.interface, data, seen):
            hidden += 1
            continue
        if hidden:
            yield f"      ... {hidden} more"
            hidden = 0
        marks = dict(word.split("=", 1) for word in (packet.comment or "").split())
        where = f"{interfaces[packet.interface]} {packet.direction}"
        who = f"{marks['from']} > {marks['to']}"
        yield f"{number:5} {packet.at_ns / 1e9:.6f}  {where:10}  {who:16} {words(data)}"
    if hidden:
        yield f"      ... {hidden} more"


def _is_routine(interface: int, data: bytes, seen: set[tuple[int, int]]) -> bool:
    """Media of a stream that was seen at this interface before, and what only tells when packets came."""
    if classify_datagram(data[0]) != "rtp":
        return False
    if is_rtcp(data):
        kinds = {type(packet) for packet in rtcp.parse(data)}
        return kinds <= {rtcp.TransportFeedback, rtcp.SourceDescription}
    packet = rtp.parse(data)
    stream = interface, packet.ssrc
    known = stream in seen and MEDIA_WORDS.get(packet.payload_type) != "RTX"
    seen.add(stream)
    return known


def words(data: bytes) -> str:
    """One packet in a few words."""
    kind = classify_datagram(data[0])
    if kind == "stun":
        return _stun(stun.parse(data))
    if kind == "dtls":
        return "DTLS " + ", ".join(_record(record) for record in dtls.records(data))
    if is_rtcp(data):
        return "RTCP " + ", ".join(_report(packet) for packet in rtcp.parse(data))
    return _media(rtp.parse(data))


def _stun(message: stun.Message) -> str:
    said = [f"STUN Binding {message.kind.name.lower()}"]
    for kind, value in message.attributes:
        if kind == attribute.USERNAME:
            said.append(f"for {value}")
        elif kind == attribute.XOR_MAPPED_ADDRESS:
            said.append(f"you are {value}")
        elif kind in (attribute.USE_CANDIDATE, attribute.ICE_CONTROLLING, attribute.ICE_CONTROLLED):
            said.append(attribute.ATTRIBUTES[kind].name)
    return ", ".join(said)


def _record(record: dtls.Record) -> str:
    if record.epoch or record.content_type != dtls.HANDSHAKE:
        locked = " (encrypted)" if record.epoch else ""
        return f"{dtls.CONTENT_TYPES[record.content_type]}{locked}"
    return ", ".join(_fragment(fragment) for fragment in dtls.fragments(record.payload))


def _fragment(fragment: dtls.Fragment) -> str:
    name = handshake12.MESSAGES[fragment.type].kind.__name__
    whole = len(fragment.body) == fragment.length
    part = "" if whole else f" {fragment.offset}-{fragment.offset + len(fragment.body)} of {fragment.length}"
    return f"{name}[{fragment.number}]{part}"


def _report(packet: Any) -> str:
    match packet:
        case rtcp.SenderReport(ssrc=ssrc, packet_count=count):
            return f"SenderReport {ssrc:08x} sent {count}"
        case rtcp.ReceiverReport(blocks=blocks):
            lost = ", ".join(f"{block.ssrc:08x} lost {block.fraction_lost}/256" for block in blocks)
            return f"ReceiverReport {lost}".strip()
        case rtcp.Nack(media_ssrc=ssrc, lost=lost):
            return f"NACK {ssrc:08x} {lost}"
        case rtcp.PictureLoss(media_ssrc=ssrc):
            return f"PictureLoss {ssrc:08x}"
        case rtcp.Goodbye(sources=sources):
            return "Goodbye " + " ".join(f"{ssrc:08x}" for ssrc in sources)
    return type(packet).__name__


def _media(packet: rtp.Packet) -> str:
    name = MEDIA_WORDS.get(packet.payload_type, f"payload type {packet.payload_type}")
    if name == "RTX":
        return f"RTP RTX {packet.ssrc:08x} number {packet.sequence} repairs {int.from_bytes(packet.payload[:2])}"
    said = f"RTP {name} {packet.ssrc:08x} number {packet.sequence}, {len(packet.payload)} octets"
    size = vp8.size_of_keyframe(packet.payload) if name == "VP8" else None
    return f"{said}, keyframe {size[0]} x {size[1]}" if size else said

"""What the README of a session says: what to look at, and every packet of it on a line (runs of media on one).

Stands below `sessions.py`, which tells the stories. The words on each line come from the packet's own octets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from meetref.protocol.negotiation import ULPFEC_PAYLOAD_TYPE, VIDEO_RED_PAYLOAD_TYPE
from meetref.wire import attribute, dtls, fec, handshake12, red, rtcp, rtp, stun, turn, udp, vp8
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Packet
from meetref.wire.reader import Malformed
from meetref.wire.tls import RETRY_RANDOM
from tests.generate import fecsession
from tests.generate.fecsession import VP8
from tests.generate.mediasessiontexts import MEDIA_LOOK_AT
from tests.generate.told import Remark

TEXTS: dict[str, dict[str, str]] = {
    "files": {
        "session.pcapng": "the packets as they were on the wire, with the secrets of DTLS in front of them",
        "plain.pcapng": "the same packets at the same times, SRTP as RTP and SRTCP as RTCP",
        "secrets.json": "all secrets as numbers: master secrets, SRTP keys and salts, ICE passwords",
        "sdp.json": "the descriptions in the order in which they passed the signaling, which is not in the capture",
        "signaling.json": "what else of the signaling matters here: who looks at whom, who sits where, what is shown",
    },
    "endpoints": {
        "alice": "the first of two",
        "bob": "the second of two",
        "server": "the forwarding server, seen from its own side",
        "turn": "the STUN and TURN server",
        "ada": "one of eleven who send sound and picture",
        "vera": "the twelfth, who sends nothing",
    },
}

LOOK_AT = MEDIA_LOOK_AT | {
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
    "stun-binding": """\
Alice is behind a NAT and asks a STUN server three questions: one is answered at once, one to the third try, one never,
because the server was unplugged meanwhile. Captured at Alice, on the inner side of her NAT, and at the server.

Look at: the source of each request at `alice` and at `turn`, which the NAT changed on the way; the answer, which tells
what the server saw, XORed with the magic cookie so that no NAT changes it back; 20 octets of question, 32 of answer;
the transaction id, new for each question and the same in each repetition; the times of the third question: 0, 0.5, 1.5,
3.5, 7.5, 15.5 and 31.5 seconds after its beginning, and nothing more. Tutorials [1](../../../tutorials/01-stun.md) and
[2](../../../tutorials/02-stun-client.md) go through it.
""",
    "ice-direct": """\
Alice and Bob have public addresses. Each has one candidate, and both know it at once; the STUN server tells them
nothing new. Captured at both and at the server.

Look at: the first checks, which cross; the answers, whose XOR-MAPPED-ADDRESS is the very address that the check was
sent from; USE-CANDIDATE, with which Alice, who controls, settles it after one round trip; then a greeting each second
each way, on the same pair of ports.
""",
    "ice-reflexive": """\
Both are behind NATs with endpoint-independent mapping and address-and-port-dependent filtering, which new ports for
everything make easy to see. Captured at both, on the inner side of the NATs, and at the server.

Look at: the inner addresses, which only their owners and the candidates know; the answers of the STUN server; the
first checks to the other's outer address, which cross: each opens its own NAT's filter before the other's gets there,
and both get in; the answers, which say the same outer addresses as the STUN server did; the checks to the other's inner
host, which find nobody and are repeated at twice the distance each time.
""",
    "ice-relayed": """\
Alice is behind a port-restricted NAT and knows a STUN server; Bob is behind a symmetric one and has a relay. Captured
at both, and at the server, which is both.

Look at: Allocate, refused with 401, a realm and a nonce, and asked again with them; the relayed address, a port of
the server's; CreatePermission before the first check through the relay, granted for Alice's outer address and refused
with 403 for her inner one, which is nobody's out here; Bob's checks inside Send indications at 36 octets each, and what
comes back in Data indications; Alice, who sees nothing of all that and talks to a port of the server's. With the first
greeting comes ChannelBind, and from then on four octets do for each packet. The checks between the outer addresses of
the two NATs, all of which are lost, are why the relay is needed.
""",
    "ice-symmetric": """\
Both NATs are symmetric, both sides have a relay (the same one). Captured at both and at the server.

Look at: two allocations; the checks to the outer addresses that the server told, none of which gets through: each NAT
sends from another port to each destination. The pair that wins has a relay at both ends. One would do, but the first
check from a NAT to the other's relayed port came a moment before the permission for it, and was not repeated in time;
so the server sends every packet of this call to itself, from one of its ports to another.
""",
    "ice-restart": """\
Two NATs again, and after two seconds Alice walks out of reach of her Wi-Fi. Her new address is in a mobile network,
behind another NAT. Signaling, which is not here, has told Bob new credentials and new candidates, and Alice his.

Look at: USERNAME before and after, four other fragments; Bob's checks to the old address, which nobody answers; the
new check, from a new address, and the greetings that go on. `secrets.json` has both generations of credentials. Nothing
else of a call would begin anew: the keys of its media stay.
""",
    "ice-consent-lost": """\
Two public addresses. After three seconds Alice's cable is pulled. Captured at both and at the server.

Look at: Bob's checks every five seconds or so; the first that is not answered, after which he looks around, first with
repetitions, for any path that still works; the silence after which his agent is disconnected; and the end, thirty
seconds after the last answer: no packet leaves him after it. Whoever has no consent does not send, whatever the call
means to him.
""",
    "dtls12-handshake": """\
Alice is the client. Datagrams may have 280 octets only, so certificates travel in fragments.

Look at: the cookie, which Bob asks for before he remembers anything; ClientHello twice, the same random in it; message
numbers and fragment offsets; CertificateRequest, and Alice's Certificate and CertificateVerify, because in a call both
sides prove who they are; use_srtp and extended_master_secret in both hellos; the epoch, which ChangeCipherSpec raises
from 0 to 1; the close alerts at the end, encrypted as everything behind ChangeCipherSpec. Captured at Alice.
""",
    "dtls13-handshake": """\
Alice is the client and offers everything that a browser does; Bob takes DTLS 1.3.

Look at: the hello in two datagrams, because the post-quantum share alone has 1216 octets; HelloRetryRequest: a hello
with a random that everybody knows, and the cookie in it, before which Bob remembers nothing; the same hello again, with
the cookie; ServerHello, the last message that anybody can read; the shorter header of the records behind it, whose
sequence number is encrypted, too; both certificates, now hidden; the ACK at the end of the handshake; the close alerts,
which nobody can tell from data. Captured at Alice. `secrets.json` has what both computed alone (`shared_secret`), from
which everything else follows.
""",
    "lossy-repair": """\
Bob's way loses six packets in a hundred in both directions, Alice's none. Captured at Bob and at the server: what left
one of them for the other and did not come there was lost.

Look at: Bob's NACKs. The server answers one for the picture on the RTX stream, whose payload begins with the number
that was lost; sound has no such stream, and the same packet comes again, octet for octet. Bob answers the server's
NACKs in that way, too. Some requests and some repairs get lost themselves: the same number is asked for again. Alice
asks for what was lost between Bob and the server: it comes as soon as the server has it. At Bob's coming the server
asks Alice for a keyframe (PictureLoss). The receiver reports say that next to nothing was lost, because what was
repaired counts as received; the one packet that Alice misses in hers comes a little later.

The descriptions also agree on sound that is said twice (RED, `red/48000/2`). Nobody gets it so here: Bob is near enough
for asking again, and people of this project's own send their sound once.
""",
}

RED = fecsession.RED, VIDEO_RED_PAYLOAD_TYPE
ULPFEC = fecsession.ULPFEC, ULPFEC_PAYLOAD_TYPE
MEDIA_WORDS = {111: "Opus", 96: "VP8", 97: "RTX", **dict.fromkeys(RED, "RED")}


def readme(
    name: str, title: str, interfaces: Sequence[str], packets: Sequence[Packet], remarks: Sequence[Remark] = ()
) -> str:
    """The whole page. `packets` in the clear; their numbers are those that Wireshark shows."""
    lines = "\n".join(_with_remarks(interfaces, packets, remarks))
    how = HOW + (UNNUMBERED if remarks else "")
    return f"# {title}\n\n{LOOK_AT[name]}\n## Packet by packet\n\n{how}\n```text\n{lines}\n```\n"


HOW = """\
Number, seconds, where it was captured and in which direction, from whom to whom, what. The first packet of a media
stream is shown, and all that ask, report or repair; `...` stands for the rest. Made by `meetref vectors generate`.
"""
UNNUMBERED = "A line without a number is no packet, but what was said or done beside them.\n"


def _with_remarks(interfaces: Sequence[str], packets: Sequence[Packet], remarks: Sequence[Remark]) -> Iterator[str]:
    """Packets and remarks by time; a remark stands behind the packets of its moment."""
    seen: set[tuple[int, ...]] = set()
    first = 0
    for remark in remarks:
        end = bisect_right(packets, remark.at, key=lambda packet: packet.at_ns / 1e9)
        yield from _collapsed(interfaces, packets, range(first, end), seen)
        yield f"{'':5} {remark.at:.6f}  {remark.where:10}  {remark.who:16} {remark.words}"
        first = end
    yield from _collapsed(interfaces, packets, range(first, len(packets)), seen)


def _collapsed(
    interfaces: Sequence[str], packets: Sequence[Packet], places: range, seen: set[tuple[int, ...]]
) -> Iterator[str]:
    hidden = 0
    for place in places:
        packet = packets[place]
        data = udp.parse(packet.data).data
        if _is_routine(packet, data, seen):
            hidden += 1
            continue
        if hidden:
            yield f"      ... {hidden} more"
            hidden = 0
        marks = dict(word.split("=", 1) for word in (packet.comment or "").split())
        where = f"{interfaces[packet.interface]} {packet.direction}"
        who = f"{marks['from']} > {marks['to']}"
        yield f"{place + 1:5} {packet.at_ns / 1e9:.6f}  {where:10}  {who:16} {words(data)}"
    if hidden:
        yield f"      ... {hidden} more"


def _is_routine(block: Packet, data: bytes, seen: set[tuple[int, ...]]) -> bool:
    """Media of a stream that was seen at this interface before, but for keyframes; what only tells when packets came.

    Of repairs that come together the first one is shown.
    """
    if classify_datagram(data[0]) != "rtp":
        return False
    if is_rtcp(data):
        kinds = {type(packet) for packet in rtcp.parse(data)}
        return kinds <= {rtcp.TransportFeedback, rtcp.SourceDescription}
    packet = rtp.parse(data)
    stream: tuple[int, ...] = (block.interface, packet.ssrc)
    name = MEDIA_WORDS.get(packet.payload_type)
    if name == "RTX":
        stream = (*stream, block.at_ns)
    known = stream in seen and not _is_remarkable(data)
    seen.add(stream)
    return known


def _is_remarkable(data: bytes) -> bool:
    """Keyframes, and packets that are computed from others."""
    inside = rtp.parse(red.unwrap_packet(data) if data[1] & 0x7F in RED else data)
    if inside.payload_type in ULPFEC:
        return True
    return inside.payload_type == VP8 and vp8.size_of_keyframe(inside.payload) is not None


def words(data: bytes) -> str:
    """One packet in a few words."""
    kind = classify_datagram(data[0])
    if kind == "stun":
        return _stun(stun.parse(data))
    if kind == "turn-channel":
        channel = turn.parse_channel_data(data)
        return f"channel {channel.channel:#x} [{words(channel.data)}]"
    if kind == "quic":
        return f"data {data[1:].decode()!r}"
    if kind == "dtls":
        return "DTLS " + ", ".join(_record(record) for record in _records(data))
    if is_rtcp(data):
        return "RTCP " + ", ".join(_report(packet) for packet in rtcp.parse(data))
    return _media(rtp.parse(data))


METHODS = {
    stun.BINDING: "Binding", turn.ALLOCATE: "Allocate", turn.REFRESH: "Refresh", turn.SEND: "Send",
    turn.DATA_METHOD: "Data", turn.CREATE_PERMISSION: "CreatePermission", turn.CHANNEL_BIND: "ChannelBind",
}  # fmt: skip
SAID = {
    attribute.USERNAME: "for {}",
    attribute.XOR_MAPPED_ADDRESS: "you are {}",
    attribute.XOR_RELAYED_ADDRESS: "you have {}",
    attribute.XOR_PEER_ADDRESS: "peer {}",
    attribute.CHANNEL_NUMBER: "channel {:#x}",
    attribute.LIFETIME: "for {} s",
    attribute.USE_CANDIDATE: "USE-CANDIDATE",
    attribute.ICE_CONTROLLING: "ICE-CONTROLLING",
    attribute.ICE_CONTROLLED: "ICE-CONTROLLED",
}


def _stun(message: stun.Message) -> str:
    said = [f"STUN {METHODS[message.method]} {message.kind.name.lower()}"]
    for kind, value in message.attributes:
        if kind in SAID:
            said.append(SAID[kind].format(value))
        elif kind == attribute.ERROR_CODE:
            said.append(str(value.code))
        elif kind == attribute.DATA:
            said.append(f"[{words(value)}]")
    return ", ".join(said)


def _records(data: bytes) -> list[dtls.Record | dtls.Ciphertext]:
    """Those of 1.2, or where these are none, those of 1.3."""
    try:
        return list(dtls.records(data))
    except Malformed:
        return list(dtls.mixed_records(data))


def _record(record: dtls.Record | dtls.Ciphertext) -> str:
    if isinstance(record, dtls.Ciphertext):
        return f"{len(record.payload)} octets of epoch {record.epoch_bits} (encrypted)"
    if record.epoch or record.content_type != dtls.HANDSHAKE:
        locked = " (encrypted)" if record.epoch else ""
        return f"{dtls.CONTENT_TYPES[record.content_type]}{locked}"
    return ", ".join(_fragment(fragment) for fragment in dtls.fragments(record.payload))


def _fragment(fragment: dtls.Fragment) -> str:
    name = handshake12.MESSAGES[fragment.type].kind.__name__
    if RETRY_RANDOM in fragment.body:
        name = "HelloRetryRequest"
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
            return f"NACK {ssrc:08x} {_runs(lost)}"
        case rtcp.PictureLoss(media_ssrc=ssrc):
            return f"PictureLoss {ssrc:08x}"
        case rtcp.Goodbye(sources=sources):
            return "Goodbye " + " ".join(f"{ssrc:08x}" for ssrc in sources)
    return type(packet).__name__


def _parity(parity: fec.Parity) -> str:
    covered = [parity.base_sequence + place & 0xFFFF for place in parity.levels[0].covers]
    return f"ULPFEC of {' '.join(map(str, covered))}"


def _runs(numbers: Sequence[int]) -> str:
    """Sequence numbers; of three or more that follow each other the first and the last."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1 & 0xFFFF:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = (f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    return f"[{', '.join(words)}]"


def _media(packet: rtp.Packet) -> str:
    name = MEDIA_WORDS.get(packet.payload_type, f"payload type {packet.payload_type}")
    if name == "RTX":
        return f"RTP RTX {packet.ssrc:08x} number {packet.sequence} repairs {int.from_bytes(packet.payload[:2])}"
    if name == "RED":
        inside = rtp.parse(red.unwrap_packet(rtp.serialize(packet)))
        if inside.payload_type in ULPFEC:
            return f"RTP RED {packet.ssrc:08x} number {packet.sequence} [{_parity(fec.parse(inside.payload))}]"
        return f"RTP RED [{_media(inside).removeprefix('RTP ')}]"
    said = f"RTP {name} {packet.ssrc:08x} number {packet.sequence}, {len(packet.payload)} octets"
    size = vp8.size_of_keyframe(packet.payload) if name == "VP8" else None
    return f"{said}, keyframe {size[0]} x {size[1]}" if size else said

"""What a program sends: numbered packets, reports on them, and once more what was lost, octet for octet."""

from __future__ import annotations

from typing import Any

import trio

from meetref.app.sender import REPORT_INTERVAL, Sender
from meetref.protocol.negotiation import AUDIO_LEVEL_ID, TRANSPORT_SEQUENCE_ID, Kind
from meetref.wire import rtcp, rtcpfeedback, rtp


class FarLink:
    """A `ClientLink` whose other end is a list; locking puts a mark in front."""

    def __init__(self) -> None:
        self.connected = trio.Event()
        self.connected.set()
        self.wall_offset = 1e9
        self.sent: list[bytes] = []
        self.repeated: list[bytes] = []
        self.control: list[Any] = []
        self._number = 0

    def count(self) -> int:
        self._number += 1
        return self._number

    def send(self, packet: bytes) -> bytes | None:
        self.sent.append(packet)
        return b"locked " + packet

    def repeat(self, locked: bytes) -> None:
        self.repeated.append(locked)

    def send_control(self, *packets: rtcp.Packet) -> None:
        self.control += packets

    @property
    def packets(self) -> list[rtp.Packet]:
        return [rtp.parse(octets) for octets in self.sent]


def sending(kind: Kind) -> tuple[Sender, FarLink]:
    sender, link = Sender(77, kind, lambda size: b"\x12" * size), FarLink()
    sender.link = link  # type: ignore[assignment]
    return sender, link


def test_a_frame_is_packets_with_one_timestamp_and_a_marker_at_its_end() -> None:
    sender, link = sending("video")
    sender.send([b"a", b"b", b"c"], 10.0)
    sender.send([b"d"], 10.05)
    packets = link.packets
    first = packets[0].sequence
    assert [packet.sequence - first for packet in packets] == [0, 1, 2, 3]
    assert [packet.marker for packet in packets] == [False, False, True, True]
    assert [packet.timestamp - packets[0].timestamp for packet in packets] == [0, 0, 0, 4500]
    assert [packet.extensions[TRANSPORT_SEQUENCE_ID] for packet in packets] == [
        number.to_bytes(2) for number in (1, 2, 3, 4)
    ]
    assert (sender.packets, sender.octets) == (4, 4)


def test_sound_tells_its_level() -> None:
    sender, link = sending("audio")
    sender.send([b"hum"], 1.0, level=30)
    sender.send([b""], 1.02)
    assert [packet.extensions[AUDIO_LEVEL_ID] for packet in link.packets] == [b"\x9e", b"\xff"]
    assert link.packets[1].timestamp - link.packets[0].timestamp == 960
    assert not link.packets[0].marker


def test_the_sequence_goes_round() -> None:
    sender, link = sending("audio")
    sender._sequence = 0xFFFF
    sender.send([b"one"], 1.0)
    sender.send([b"two"], 1.02)
    assert [packet.sequence for packet in link.packets] == [0xFFFF, 0]


def test_nothing_is_sent_before_there_is_a_connection() -> None:
    sender = Sender(77, "video", lambda size: bytes(size))
    sender.send([b"early"], 1.0)
    link = FarLink()
    link.connected = trio.Event()
    sender.link = link  # type: ignore[assignment]
    sender.send([b"early"], 1.0)
    sender.tick(1.0)
    assert (sender.ready, sender.packets, link.sent, link.control) == (False, 0, [], [])


def test_what_was_lost_is_sent_once_more_as_it_was() -> None:
    sender, link = sending("video")
    sender.send([b"a", b"b", b"c"], 10.0)
    lost = link.packets[1].sequence
    sender.on_control(rtcpfeedback.Nack(1, 77, [lost, lost + 100]), 10.1)
    assert link.repeated == [b"locked " + link.sent[1]]
    sender.on_control(rtcpfeedback.Nack(1, 78, [lost]), 10.2)  # of somebody else
    sender.on_control(rtcpfeedback.Nack(1, 77, [lost]), 100.0)  # too late
    assert len(link.repeated) == 1


def test_a_viewer_that_cannot_go_on_gets_a_keyframe() -> None:
    for packet, wanted in (
        (rtcpfeedback.PictureLoss(1, 77), True),
        (rtcpfeedback.FullIntra(1, [(77, 3)]), True),
        (rtcpfeedback.PictureLoss(1, 78), False),
        (rtcpfeedback.FullIntra(1, [(78, 3)]), False),
        (rtcp.Goodbye([77]), False),
    ):
        sender, _ = sending("video")
        sender.keyframe_wanted = False
        sender.on_control(packet, 1.0)
        assert sender.keyframe_wanted is wanted


def test_a_report_a_second_says_what_the_clocks_showed() -> None:
    sender, link = sending("audio")
    sender.tick(4.0)
    assert not link.control, "there is nothing to report on"
    sender.send([b"hum"], 5.0)
    for now in (5.5, 5.6, 5.5 + REPORT_INTERVAL):
        sender.tick(now)
    reports = [packet for packet in link.control if isinstance(packet, rtcp.SenderReport)]
    assert [report.packet_count for report in reports] == [1, 1]
    first = link.packets[0].timestamp
    assert [report.rtp_timestamp - first for report in reports] == [24000, 24000 + 48000]
    assert reports[1].ntp - reports[0].ntp == round(REPORT_INTERVAL * 2**32)
    assert all(isinstance(packet, rtcp.SourceDescription) for packet in link.control[1::2])

"""What a program that takes part sends: RTP packets of one source, their reports, and what was lost once more.

Stands on `app/clientlink`; `app/bot` gives it frames.
Specification: RFC 3550 sections 5.1 and 6.4.1, RFC 4585 (NACK, PLI).
Leaves out: RTX (a repeated ciphertext is enough here) and adapting the bitrate.
Read next: `app/receiver.py`, the other end.
"""

from __future__ import annotations

from meetref.app.clientlink import ClientLink
from meetref.media.clock import to_ntp
from meetref.media.repair import PacketCache
from meetref.protocol.machine import Dice
from meetref.protocol.negotiation import (
    AUDIO_LEVEL_ID,
    OPUS_PAYLOAD_TYPE,
    TRANSPORT_SEQUENCE_ID,
    VP8_PAYLOAD_TYPE,
    Kind,
)
from meetref.wire import rtcp, rtcpfeedback, rtp

REPORT_INTERVAL = 1.0
SILENCE = 127


class Sender:
    """One source. `keyframe_wanted` is set when a viewer cannot go on without one; the owner clears it."""

    def __init__(self, ssrc: int, kind: Kind, dice: Dice) -> None:
        self.ssrc = ssrc
        self.kind = kind
        self.link: ClientLink | None = None
        self.keyframe_wanted = True
        self.packets = 0
        self.octets = 0
        self._sequence = int.from_bytes(dice(2)) & 0x7FFF
        self._timestamp = int.from_bytes(dice(4))
        self._started_at: float | None = None
        self._cache: PacketCache[bytes] = PacketCache()
        self._report_at = 0.0
        self.clock_rate = 48000 if kind == "audio" else 90000

    @property
    def ready(self) -> bool:
        return self.link is not None and self.link.connected.is_set()

    def timestamp_at(self, now: float) -> int:
        """The RTP timestamp of a moment."""
        since = 0.0 if self._started_at is None else now - self._started_at
        return (self._timestamp + round(since * self.clock_rate)) & 0xFFFFFFFF

    def send(self, payloads: list[bytes], now: float, *, level: int = SILENCE) -> None:
        """Send the payloads of one frame, captured now; `level` is the audio level, 0 loud to 127 silent."""
        if self.link is None or not self.ready:
            return
        if self._started_at is None:
            self._started_at = now
        timestamp = self.timestamp_at(now)
        for index, payload in enumerate(payloads):
            extensions = {TRANSPORT_SEQUENCE_ID: self.link.count().to_bytes(2)}
            if self.kind == "audio":
                extensions[AUDIO_LEVEL_ID] = bytes([0x80 | level])
            packet = rtp.Packet(
                payload_type=OPUS_PAYLOAD_TYPE if self.kind == "audio" else VP8_PAYLOAD_TYPE,
                sequence=self._sequence,
                timestamp=timestamp,
                ssrc=self.ssrc,
                payload=payload,
                marker=self.kind == "video" and index == len(payloads) - 1,
                extensions=extensions,
            )
            locked = self.link.send(rtp.serialize(packet))
            if locked is not None:
                self._cache.store(self._sequence, (locked,), now)
            self._sequence = (self._sequence + 1) & 0xFFFF
            self.packets += 1
            self.octets += len(payload)

    def on_control(self, packet: object, now: float) -> None:
        """What the server says about this source."""
        match packet:
            case rtcpfeedback.Nack(media_ssrc=ssrc, lost=lost) if ssrc == self.ssrc and self.link is not None:
                for sequence in lost:
                    locked = self._cache.fetch(sequence, now)
                    if locked is not None:
                        self.link.repeat(locked)
            case rtcpfeedback.PictureLoss(media_ssrc=ssrc) if ssrc == self.ssrc:
                self.keyframe_wanted = True
            case rtcpfeedback.FullIntra(entries=entries) if any(ssrc == self.ssrc for ssrc, _ in entries):
                self.keyframe_wanted = True

    def tick(self, now: float) -> None:
        """Send a report when one is due."""
        if self.link is None or self._started_at is None or now < self._report_at:
            return
        self._report_at = now + REPORT_INTERVAL
        wall = self.link.wall_offset + now
        report = rtcp.SenderReport(
            ssrc=self.ssrc,
            ntp=to_ntp(wall),
            rtp_timestamp=self.timestamp_at(now),
            packet_count=self.packets & 0xFFFFFFFF,
            octet_count=self.octets & 0xFFFFFFFF,
            blocks=[],
        )
        self.link.send_control(report, rtcp.named(self.ssrc, "client"))

"""What each seat of one viewer gets of the viewer's bandwidth, carried out and put into words.

A few times a second `meeting/arranging` lets each viewer's `Portions` look; it asks `media/allocator` only when
something moved.
Wishes come from the seats (how much each sight matters, how tall it is), layers and rates from the tracks, the budget
from `meeting/capacity`; the answer is told to the slots (`Slot.want`) and, where pictures pause, to the viewer.
Stands above `meeting/seats`, below `meeting/arranging`. Specification: none; docs/allocation.md.
Leaves out: the rules, which are `media/allocation`'s. Read next: `media/allocator.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from meetref.media.allocation import Choice, Wish
from meetref.media.allocator import Allocator
from meetref.media.ladder import Layer, Offer
from meetref.media.thinning import ALL_LAYERS
from meetref.meeting.forwarder import Slot
from meetref.meeting.seating import Content
from meetref.meeting.seats import Seats
from meetref.meeting.track import Track
from meetref.wire import signaling

VOICE_BPS = 59_000
"""One Opus voice of a browser with its headers, until it has been measured."""
LOOK_EVERY = 1.0
"""Seconds between two looks at what the tracks offer, while all slots show what they should and the budget stays."""
MEASURED_FOR = 1.0  # seconds over which a voice is measured
HEADERS = 68  # octets of a packet of sound beside its payload: IP, UDP, RTP with extensions, SRTP's tag

Offers = dict[Track, Offer]
"""What the tracks of a room offer now, made once for all viewers who look in the same moment."""


class _Voice:
    """What one sound slot takes, measured from what it has sent."""

    def __init__(self) -> None:
        self.bitrate_bps = VOICE_BPS
        self._counted = 0
        self._since = -math.inf

    def look(self, slot: Slot, now: float) -> None:
        if now - self._since < MEASURED_FOR:
            return
        octets = slot.rewriter.octets + HEADERS * slot.rewriter.packets
        if self._since > -math.inf and slot.selection.shown is not None:
            self.bitrate_bps = round(8 * (octets - self._counted) / (now - self._since))
        self._counted, self._since = octets, now


class Portions:
    """The portions of one viewer, by the names of the slots. `choices` are the newest; `loudness` is in dB."""

    def __init__(self, seats: Seats, loudness: Callable[[Content], float]) -> None:
        self.seats = seats
        self.choices: dict[str, Choice[str]] = {}
        self._loudness = loudness
        self._allocator: Allocator[str] = Allocator()
        self._voices: dict[str, _Voice] = {}
        self._wished: list[object] = []
        self._look_at = -math.inf

    def changed(self) -> None:
        """Somebody else is seen, or otherwise."""
        self._look_at = -math.inf

    def look(self, offers: Offers, now: float) -> signaling.Video | None:
        """Choose anew if there is a reason to. Gives what the viewer is to be told, if anything.

        While nothing is known of the line, nothing is chosen, and pictures wait (`Seats.show`).
        """
        seats, capacity = self.seats, self.seats.down.capacity
        if not capacity.is_known:  # spec: allocation/nothing-before-the-line-is-known
            return None
        due = self._allocator.due(
            capacity.media_bps,
            now,
            keeping_bps=capacity.carried_bps,
            is_experiment=capacity.is_experimenting,
        )
        if now < self._look_at and not due:
            return None
        voices, pictures = self._hearing(now), self._seeing(offers, now)
        if self._is_new(voices, pictures, offers):
            self._allocator.changed()
            due = True
        if due:
            self.choices = {choice.seat: choice for choice in self._allocator.decide([*voices, *pictures], now)}
            capacity.on_demand(self._allocator.enough_bps, self._allocator.next_bps)
            for choice in self.choices.values():
                _carry_out(choice, seats.down.slots[choice.seat], now)
        self._look_at = now + LOOK_EVERY if self._is_settled() else now
        return seats.tell_video(list(self._states()))

    def _is_settled(self) -> bool:
        """Whether everybody who is seen is known, and seen as was chosen."""
        for index, sight in enumerate(self.seats.sights):
            slot = self.seats.down.slots[f"v{index}"]
            if sight is None or slot.track is None:
                continue
            selection, thinning = slot.selection, slot.rewriter.thinning
            waits = selection.awaited is not None or (selection.shown is None and selection.wanted != "nothing")
            waits |= thinning is not None and thinning.goes_to != thinning.size
            if waits or slot.mid not in self.choices:
                return False
        return True

    def _is_new(self, voices: list[Wish[str]], pictures: list[Wish[str]], offers: Offers) -> bool:
        """Whether others are seen or heard than last time, or otherwise: rates alone are no news."""
        slots = self.seats.down.slots
        wished: list[object] = [{(wish.seat, slots[wish.seat].track) for wish in voices}]
        for wish in pictures:
            track = slots[wish.seat].track
            places = [layer.place for layer in offers[track].layers] if track is not None else []
            wished.append((wish.seat, track, wish.rank, wish.height, places))
        if wished == self._wished:
            return False
        self._wished = wished
        return True

    def _hearing(self, now: float) -> list[Wish[str]]:
        """A wish for every voice, the loudest first."""
        seats = self.seats
        contents = enumerate(seats.voices or seats.contents)
        named = [(f"a{index}", content) for index, content in contents if content is not None]
        named.sort(key=lambda each: -self._loudness(each[1]))
        wishes = []
        for name, _ in named:
            slot = seats.down.slots.get(name)
            if slot is not None and slot.track is not None:
                voice = self._voices.setdefault(name, _Voice())
                voice.look(slot, now)
                wishes.append(Wish(name, "voice", (Layer(0, 0, voice.bitrate_bps),)))
        return wishes

    def _seeing(self, offers: Offers, now: float) -> list[Wish[str]]:
        """A wish for every picture of which anything has come: before, nothing is known, and it begins as it likes."""
        wishes = []
        for index, sight in enumerate(self.seats.sights):
            name = f"v{index}"
            track = self.seats.down.slots[name].track
            if sight is None or track is None:
                continue
            offer = offers.get(track)
            if offer is None:
                offer = offers[track] = Offer(track.layers(now), detail=track.source == "screen")
            if offer.layers:
                wishes.append(Wish(name, sight.rank, offer.ladder(sight.height), sight.height))
        return wishes

    def _states(self) -> Iterator[signaling.SeatVideo]:
        for index, sight in enumerate(self.seats.sights):
            choice = self.choices.get(f"v{index}") if sight is not None else None
            slot = self.seats.down.slots[f"v{index}"]
            codec = self.seats.unread.get(slot.mid) if sight is not None else None
            if codec is not None:
                yield signaling.SeatVideo(index, "paused", f"This browser cannot show {codec} video")
            if choice is None or slot.track is None:
                continue
            if choice.layer is None:
                yield signaling.SeatVideo(index, "paused", choice.reason)
            elif slot.selection.shown is not None:
                size = slot.size
                yield signaling.SeatVideo(index, layer=f"{size[1]}p" if size else None)


def _carry_out(choice: Choice[str], slot: Slot, now: float) -> None:
    if slot.track is None:
        return
    if choice.layer is None:
        slot.want("nothing", ALL_LAYERS, now)
    elif slot.kind == "audio":
        slot.want("largest", ALL_LAYERS, now)
    else:
        encoding, spatial = slot.track.views[choice.layer.spatial]  # spec: simulcast/spatial-layers
        temporal, spatial = encoding.layers_up_to(spatial, choice.layer.temporal, now)
        slot.want(encoding, temporal, now, spatial)

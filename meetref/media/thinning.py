"""Leaving layers out of a stream, so that what is left is a whole stream: the numbers close up behind it.

Temporal layers are pictures that may be left out. With spatial layers each picture comes in several sizes, and the
larger ones may be. Which layer a packet has is seen when it comes, and the numbers of those behind it are given away
then. So a packet that is still missing keeps its number free, unless its neighbours show that what it belongs to is
left out. A latecomer that was not wanted goes out hollow, under the number that was kept for it.
Stands below `media/rewriting`; of other codecs than VP8 `media/formats` reads the layers. Specification: RFC 7741
section 4.2 (TID, Y), RFC 9628 sections 4.1 and 4.2. doc/svc.md of the Jitsi bridge has four examples of the gap to
leave; that a layer of a picture goes whole or not at all, and hollow packets, are ours.
Leaves out: streams without picture ids, which go whole; larger sizes that need not all that is below them, which goes
with them: so a viewer can be sent less from any picture on. Read next: `media/simulcast.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Protocol

from meetref.media.sequence import Unwrapper

ALL_LAYERS = 3
"""The highest temporal layer that VP8 can tell; what others call still higher counts as this. So it is with spatial
layers, of which browsers send three at most."""

MAXIMUM_OMITTED = 256
"""Numbers that are remembered to have been left out; what comes from before them comes too late."""

MAXIMUM_GAP = 64
"""Packets missing in a row that are still judged by their neighbours."""

NO_PICTURE = -(1 << 62)  # no packet has this id

MAXIMUM_CHANGES = 16
"""Changes of the layer that are remembered, for latecomers."""

SETTLED_AFTER = 128
"""Packets after the last one that was left out, when all layers go: then nothing from before it is waited for."""


class Layered(Protocol):
    """What is looked at of a packet (`media/rewriting.Incoming`)."""

    sequence: int
    timestamp: int
    marker: int
    starts: bool
    picture: int | None
    tl0: int | None
    temporal: int
    spatial: int | None
    ends: bool
    sync: bool
    lead: bytes


def begins_vp8(packet: Layered) -> bool:
    """Whether this is the first packet of its picture."""
    return packet.lead[0] & 0x17 == 0x10


class Omissions:
    """Numbers that were left out of a count, in their order, and what that makes of those behind them."""

    __slots__ = ("_before", "_numbers", "floor")

    def __init__(self, offset: int) -> None:
        self.floor: int | None = None
        """The lowest number of which is known what becomes of it; None: of all."""
        self._before = offset  # what is added to a number in front of all that are remembered
        self._numbers: list[int] = []

    def omit(self, number: int) -> None:
        """Leave out a number that is higher than all before."""
        self._numbers.append(number)
        if len(self._numbers) > MAXIMUM_OMITTED:
            self.floor = self._numbers.pop(0) + 1
            self._before -= 1

    def __contains__(self, number: int) -> bool:
        place = bisect_left(self._numbers, number)
        return place < len(self._numbers) and self._numbers[place] == number

    def offset_at(self, number: int) -> int:
        """What is added to a number that is not left out."""
        if not self._numbers or number > self._numbers[-1]:
            return self.offset
        return self._before - bisect_left(self._numbers, number)

    @property
    def offset(self) -> int:
        """What is added to the numbers behind all that were left out."""
        return self._before - len(self._numbers)

    @property
    def last(self) -> int | None:
        """The highest number that was left out."""
        return self._numbers[-1] if self._numbers else None


Form = Literal["whole", "hollow", "last"]
"""How a packet goes: as it came, without its content, or as the last of its picture, of which larger sizes follow."""

Place = tuple[int, int, Form]
"""What to add to a packet's sequence number and to its picture id, and how it goes."""


class Thinning:
    """One source on its way into one slot. `wanted` is the highest temporal layer that should go, `size` the highest
    spatial one.

    It begins with the offsets that hold for the newest packet so far, and that packet's picture id. For the rest see
    `media/rewriting.Writing`.
    """

    __slots__ = (
        "_begins", "_changes", "_closes_up", "_ended", "_kept", "_marker", "_newest", "_next", "_part_of", "_pictures",
        "_place", "_sequences", "_spatial", "_timestamp", "_tl0", "_unwrapper", "size", "wanted",
    )  # fmt: skip

    def __init__(
        self, wanted: int, sequence_offset: int, picture_offset: int, newest: int,
        begins: Callable[[Any], bool] = begins_vp8, closes_up: bool = True, size: int = ALL_LAYERS,
    ) -> None:  # fmt: skip
        self.wanted = wanted
        self.size = size
        self._begins = begins
        self._closes_up = closes_up
        self._sequences = Omissions(sequence_offset)
        self._pictures = Omissions(picture_offset)
        self._unwrapper = Unwrapper(15)
        self._newest = self._unwrapper.unwrap(newest & 0x7FFF)
        self._kept, self._marker = True, 0  # of the newest picture: whether it goes, and whether its end was seen
        self._next: int | None = None  # the sequence number behind the highest so far
        self._part_of: int | None = NO_PICTURE  # the newest packet's picture, if it is the newest one, and its place
        self._place: Place | None = None
        self._tl0: int | None = None
        # Of the newest packet with a spatial layer: which one, and whether it ended there.
        self._timestamp: int | None = None
        self._spatial, self._ended = 0, True
        # From which picture on which layers go, temporal and spatial.
        self._changes = deque([(self._newest, ALL_LAYERS, ALL_LAYERS)], MAXIMUM_CHANGES)

    def place(self, packet: Layered) -> Place | None:
        """Where a packet goes, or None: nowhere. Each packet is asked for once, as it comes."""
        number = packet.sequence
        if number == self._next and packet.picture == self._part_of:  # the next part of the newest picture, as most are
            self._next = number + 1
            self._marker |= packet.marker
            if self._place is None:
                self._sequences.omit(number)
            return self._place
        latest = self._next is None or number >= self._next
        if packet.picture is None:  # padding: its number was used all the same
            if not latest and self._is_gone(number):
                return None
            self._next = number + 1 if latest else self._next
            return self._sequences.offset_at(number), self._pictures.offset, "whole"
        picture = self._unwrapper.unwrap(packet.picture & 0x7FFF)
        if latest:
            return self._take(packet, picture)
        floor = self._pictures.floor
        if self._is_gone(number) or (floor is not None and picture < floor):
            return None
        # spec: rewriting/late-and-unwanted
        form = self._form(packet, picture) if self._goes(packet, picture) else "hollow"
        return self._sequences.offset_at(number), self._pictures.offset_at(picture), form

    def _take(self, packet: Layered, picture: int) -> Place | None:
        """The next packet, or one further on."""
        place: Place | None = None
        if self._advance(packet, picture):
            place = self._sequences.offset, self._pictures.offset_at(picture), self._form(packet, picture)
        else:
            self._sequences.omit(packet.sequence)  # spec: rewriting/numbers-close-up
        self._part_of = packet.picture if picture == self._newest and packet.spatial is None else NO_PICTURE
        self._place = place
        return place

    def _is_gone(self, number: int) -> bool:
        """Whether a latecomer has no place any more: it was counted as left out, or nobody knows."""
        floor = self._sequences.floor
        return number in self._sequences or (floor is not None and number < floor)

    def _advance(self, packet: Layered, picture: int) -> bool:
        """Whether the next packet, or one further on, goes. A layer of a picture goes whole or not at all."""
        due, newest = self._next, self._newest
        nothing_between = self._nothing_between(packet, picture)
        if picture > newest:
            self._change(packet, picture)
        goes = self._kept if picture == newest and packet.spatial is None else self._goes(packet, picture)
        if due is not None and nothing_between and 0 < packet.sequence - due < MAXIMUM_GAP:
            owners = self._owners(packet, picture, goes)
            if owners and not any(owners):  # spec: rewriting/gap-judged
                for missing in range(due, packet.sequence):
                    self._sequences.omit(missing)
        if picture > newest and self._closes_up:  # spec: rewriting/pictures-keep-gaps
            for omitted in range(newest + 1 if nothing_between else picture, picture if goes else picture + 1):
                self._pictures.omit(omitted)  # spec: rewriting/pictures-close-up
        self._remember(packet, picture, goes)
        return goes

    def _remember(self, packet: Layered, picture: int, goes: bool) -> None:
        """It is the newest packet now."""
        if picture >= self._newest:
            self._marker = packet.marker | (self._marker if picture == self._newest else 0)
            self._newest, self._kept = picture, goes
        self._next = packet.sequence + 1
        self._tl0 = packet.tl0
        if packet.spatial is not None:
            self._timestamp, self._spatial, self._ended = packet.timestamp, packet.spatial, packet.ends

    def _owners(self, packet: Layered, picture: int, goes: bool) -> list[bool]:
        """Of all that packets missing before this one may belong to, whether it goes."""
        newest, kept = self._newest, self._kept
        owners = [False] if picture > newest + 1 else []
        if packet.spatial is not None:
            return owners + self._owning_layers(packet, picture, goes)
        owners += [goes] if picture == newest or not self._begins(packet) else []
        owners += [kept] if picture > newest and not self._marker else []
        return owners

    def _owning_layers(self, packet: Layered, picture: int, goes: bool) -> list[bool]:
        """The same where pictures have spatial layers, each with its own beginning and end."""
        spatial = self._layers_at(self._newest)[2]
        same_picture, layer = packet.timestamp == self._timestamp, packet.spatial or 0
        if same_picture and layer == self._spatial:
            return [goes]
        owners = [] if self._begins(packet) else [goes]
        owners += [] if self._ended else [self._kept]
        if same_picture:
            return owners + [self._kept and between <= spatial for between in range(self._spatial + 1, layer)]
        if not self._marker:  # larger sizes of the picture before
            owners.append(self._kept and self._spatial < spatial)
        if layer:  # and smaller ones of this
            owners.append(packet.temporal <= self._layers_at(picture)[1])
        return owners

    def _nothing_between(self, packet: Layered, picture: int) -> bool:
        """Whether no picture that goes can be missing between the newest one and this one.

        They are neighbours, or only layer 0 goes and TL0PICIDX, which counts its pictures, has not missed one.
        """
        if self._newest <= picture <= self._newest + 1:
            return True
        if picture < self._newest or picture > self._newest + MAXIMUM_GAP or packet.tl0 is None or self._tl0 is None:
            return False
        return self._layers_at(self._newest)[1] == 0 and (packet.tl0 - self._tl0) & 0xFF == (packet.temporal == 0)

    def _change(self, packet: Layered, picture: int) -> None:
        """With a new picture, and only there, other layers may go."""
        if packet.spatial and self._timestamp in (None, packet.timestamp):
            return  # in AV1 each size of a picture has a number of its own
        _, temporal, spatial = former = self._changes[-1]
        if packet.starts:  # spec: rewriting/spatial-up-at-keyframe
            temporal, spatial = self.wanted, self.size
        elif self.wanted < temporal:  # spec: rewriting/temporal-down
            temporal = self.wanted
        elif packet.temporal == temporal + 1 <= self.wanted and packet.sync:  # spec: rewriting/temporal-up-at-sync
            temporal += 1
        spatial = min(spatial, self.size)  # spec: rewriting/spatial-down
        if (temporal, spatial) != former[1:]:
            self._changes.append((picture, temporal, spatial))

    def _goes(self, packet: Layered, picture: int) -> bool:
        """Whether the content of a packet goes."""
        _, temporal, spatial = self._layers_at(picture)
        return packet.temporal <= temporal and (packet.spatial or 0) <= spatial  # spec: rewriting/whole-pictures

    def _form(self, packet: Layered, picture: int) -> Form:
        """How a packet goes whose content does."""
        if packet.spatial is None or not packet.ends:
            return "whole"
        # spec: vp9/marker-ends-picture, av1/marker-ends-unit
        return "last" if packet.spatial == self._layers_at(picture)[2] < ALL_LAYERS else "whole"

    def _layers_at(self, picture: int) -> tuple[int, int, int]:
        """Since when it is so, and the highest layers, temporal and spatial, that went when a picture had its turn."""
        changes = self._changes
        if changes[-1][0] <= picture:  # as nearly always
            return changes[-1]
        return next((each for each in reversed(changes) if each[0] <= picture), changes[0])

    @property
    def goes_to(self) -> int:
        """The highest spatial layer that goes now."""
        return self._changes[-1][2]

    @property
    def waits(self) -> bool:
        """Whether a larger size is wanted, which can only go from a keyframe on."""
        return self.size > self.goes_to

    @property
    def over(self) -> bool:
        """Whether everything goes again, and has done so for so long that nothing from before is on its way."""
        last = self._sequences.last
        if min(self.wanted, self.size, self.goes_to) < ALL_LAYERS or self._next is None:
            return False
        return last is None or self._next - 1 - last > SETTLED_AFTER

    @property
    def floor(self) -> int:
        """The lowest number to which `offsets` belong."""
        last = self._sequences.last
        return last + 1 if last is not None else -(1 << 62)

    @property
    def offsets(self) -> tuple[int, int]:
        """What is added to the newest sequence number and picture id."""
        return self._sequences.offset, self._pictures.offset

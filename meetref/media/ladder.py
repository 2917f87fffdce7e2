"""The layers of a source as a ladder: the rungs that a seat of some size may stand on, each better and dearer.

Stands below `media/allocation`, which climbs. An `Offer` is made anew once a tick from measured rates, for all viewers.
Specification: none. Jitsi's bridge has two of the rules (its doc/allocation.md): no high resolution at a low frame
rate, and no layer while a higher one costs less; what is large enough for a seat is our own choice.
Leaves out: measuring. A rate is one of the last seconds, headers included; what is off keeps the rate that it had.
Read next: `media/allocation.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SHARP: Final = 0.75
"""A layer is large enough for a seat of so many times its lines: nobody sees that it is stretched by a third."""
SMOOTH: Final = 24.0
"""Frames a second from which movement is smooth. Jitsi's bridge asks for 30; measured rates lie a little below."""


@dataclass(slots=True, frozen=True)
class Layer:
    """One way to send a source: an encoding or spatial layer (0 the smallest) and a temporal layer (0 the slowest).

    `bitrate_bps` is what it takes to send it with all that it is decoded from, headers included. `height` in lines and
    `frame_rate` a second are 0 where there are none: sound has one layer, Layer(0, 0, bitrate).
    """

    spatial: int
    temporal: int
    bitrate_bps: int
    height: int = 0
    frame_rate: float = 0.0

    @property
    def place(self) -> tuple[int, int]:
        """What tells layers of a source apart, and orders them."""
        return self.spatial, self.temporal


class Offer:
    """What one source offers now. `detail`: sharpness matters more than movement, as for a screen."""

    __slots__ = ("_ladders", "detail", "layers")

    def __init__(self, layers: Iterable[Layer], *, detail: bool = False) -> None:
        self.layers = tuple(sorted(layers, key=lambda layer: layer.place))
        self.detail = detail
        self._ladders: dict[int, tuple[Layer, ...]] = {}

    def ladder(self, height: int = 0) -> tuple[Layer, ...]:
        """The rungs for a seat of so many lines (0: any), the lowest first. Seats of one size share one tuple."""
        found = self._ladders.get(height)
        if found is None:
            found = self._ladders[height] = ladder(self.layers, height, detail=self.detail)
        return found


def ladder(layers: Iterable[Layer], height: int = 0, *, detail: bool = False) -> tuple[Layer, ...]:
    """The layers worth standing on in a seat of `height` lines (0: any): each higher one is better and costs more."""
    useful = _large_enough(sorted(layers, key=lambda layer: layer.place), height)
    if not detail:
        useful = _smooth(useful)
    rungs: list[Layer] = []
    for layer in reversed(useful):
        # spec: allocation/cheaper-higher-layer
        if not rungs or layer.bitrate_bps < rungs[-1].bitrate_bps:
            rungs.append(layer)
    return tuple(reversed(rungs))


def _large_enough(layers: list[Layer], height: int) -> list[Layer]:
    """Up to the first encoding that fills the seat; the smallest one always."""
    enough = next((layer.spatial for layer in layers if height and layer.height >= SHARP * height), None)
    # spec: allocation/useful-size
    return [layer for layer in layers if enough is None or layer.spatial <= enough]


def _smooth(layers: list[Layer]) -> list[Layer]:
    """Without high resolutions at low frame rates; an encoding that is never smooth is taken at its best."""
    best = {layer.spatial: layer for layer in layers}  # the last of each has the most frames
    # spec: allocation/smooth-before-sharp
    return [
        layer
        for layer in layers
        if layer.spatial == layers[0].spatial or layer.frame_rate >= SMOOTH or layer is best[layer.spatial]
    ]

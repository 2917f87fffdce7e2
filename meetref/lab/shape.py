"""The shapes of load that forwarding is measured under: what costs little in a burst may cost much one by one.

Stands on nothing; `lab/load` makes packets of a shape, `lab/forwarding` measures each.
Source: our own. 240 packets a second are 2 Mbit/s, one camera at 720p; 1,080 are 10 Mbit/s, a shared screen in motion.
An encoder hands over a frame at once, hence the bursts; a sender that paces spreads them.
Leaves out: audio, and several publishers at once. Read next: `lab/load.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME_RATE = 30


@dataclass(frozen=True, slots=True)
class Shape:
    """`packets` a frame, at once or `spread` evenly until the next one. `audiences` are measured one after the other.

    `goals` are the most that our CPU time for a forwarded packet may be, in times of the floor's or of a peer's.
    """

    packets: int
    audiences: tuple[int, ...]
    goals: dict[str, float]
    spread: bool = False

    @property
    def packets_per_second(self) -> int:
        """What the publisher sends."""
        return self.packets * FRAME_RATE

    @property
    def packets_per_burst(self) -> int:
        """So many leave at once."""
        return 1 if self.spread else self.packets


TYPICAL = "typical"

SHAPES = {
    TYPICAL: Shape(8, (8, 20), {"floor": 1.6, "livekit": 0.35, "janus": 0.2}),
    "heavy": Shape(36, (20,), {"floor": 1.6, "livekit": 0.4}),
    "heavy_50": Shape(29, (50,), {"floor": 1.6, "livekit": 0.4}),
    "even": Shape(8, (20,), {"floor": 1.6, "livekit": 0.5}, spread=True),
}

SPARSE = Shape(1, (10, 500), {})
"""One packet a frame: few enough that one load can be the audience of a webinar."""

"""Servers of somebody else's that `meetref lab forwarding --against` knows: how each is had, opened and joined.

Stands on `lab/livekit`, `lab/pion` and `lab/janus`. Specification: none; docs/measurements.md tells the versions.
Leaves out: what they do besides forwarding. Read next: `lab/livekit.py`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from meetref.app.command import CommandFailed, Exit
from meetref.lab import janus, livekit, pion
from meetref.lab.audience import Audience, open_audience
from meetref.lab.contest import Contestant
from meetref.lab.leg import Legs
from meetref.lab.shape import Shape

RIVALS = {"livekit": livekit, "pion": pion, "janus": janus}


def make_ready(name: str) -> None:
    """Build it where it must be built. Raises `CommandFailed` where this machine cannot have it."""
    reason = RIVALS[name].why_absent()
    if reason is not None:
        raise CommandFailed(reason, Exit.UNSUPPORTED)
    RIVALS[name].make_ready()


@asynccontextmanager
async def open_rival(
    name: str, legs: Legs, shape: Shape, viewers: int, dice: random.Random
) -> AsyncIterator[Contestant]:
    """Run it with this load. Raises `ChildFailed`."""
    async with (
        RIVALS[name].open_door() as door,
        open_audience(Audience(legs), door, shape, viewers, dice) as contestant,
    ):
        yield contestant

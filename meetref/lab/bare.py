"""The floor as a contestant: `lab/floor` in its process, keys and addresses given to it, the load on bare sockets.

Stands on `lab/floor` and `lab/load`. Specification: none, nothing is negotiated.
Leaves out: joining, there is nobody to join. Read next: `lab/floor.py`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from meetref.lab.child import Child, open_child
from meetref.lab.contest import Contestant
from meetref.lab.floor import SALT_OCTETS, BareLocks
from meetref.lab.leg import HERE, Leg, Legs
from meetref.lab.load import Line, Load, Publisher, Viewer
from meetref.lab.shape import Shape
from meetref.wire.address import Address

KEY_OCTETS = {0x0007: 16, 0x0008: 32}
SSRC = 1 << 31


@asynccontextmanager
async def open_floor(
    legs: Legs, shape: Shape, viewers: int, dice: random.Random, srtp_profile: int
) -> AsyncIterator[Contestant]:
    """Run the floor with the keys of this profile's length. Raises `ChildFailed`."""
    sockets = [Leg() for _ in range(viewers + 1)]
    try:
        async with open_child("floor", "meetref.lab.floor", by_signal=True) as child:
            load = await _connect(child, legs, sockets, shape, KEY_OCTETS.get(srtp_profile, 16), dice)
            contestant = Contestant(name="floor", child=child, load=load, srtp_profile=srtp_profile)
            yield contestant
            counters = await child.finish()
            contestant.segments = counters["datagrams_out"] / max(1, counters["send_calls"])
    finally:
        for leg in sockets:
            legs.close(leg)


async def _connect(
    child: Child, legs: Legs, sockets: list[Leg], shape: Shape, key_octets: int, dice: random.Random
) -> Load:
    """Give the floor keys and addresses; the load on the lines to it, the publisher's first."""
    remote = Address(HERE, (await child.hear())["port"])
    keys = [(dice.randbytes(key_octets), dice.randbytes(SALT_OCTETS)) for _ in sockets]
    ports = [leg.local.port for leg in sockets]
    pairs = [(key.hex(), salt.hex()) for key, salt in keys]
    await child.tell({"publisher": ports[0], "viewers": ports[1:], "keys": pairs})
    lines = [Line(leg, remote, BareLocks(*pair)) for leg, pair in zip(sockets, keys, strict=True)]
    source = Publisher(lines[0], SSRC, shape, dice)
    load = Load(source, [Viewer(line, source) for line in lines[1:]])
    for leg, receive in zip(sockets, [source.receive, *(viewer.receive for viewer in load.viewers)], strict=True):
        legs.add(leg, receive)
    return load

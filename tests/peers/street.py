"""A server, and homes each at the end of a line of its own, which carries so much and no more (`tc tbf`).

    with street({"publisher": None, "thin": 500}) as place:        # kilobits a second, down; needs root

        home 10.213.20.2 -- 10.213.20.1 server (10.213.8.1) 10.213.21.1 -- 10.213.21.2 home

Read next: tests/peers/office.py (the server), tests/peers/test_thin_lines_browsers.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.peers.home import cable, inside, namespace
from tests.peers.office import SERVER, run

BUCKET = 1_600  # octets that pass at once: one packet, so that the line is one at any moment
QUEUE = "250ms"


@dataclass(frozen=True)
class Street:
    """The server's namespace, and those of the homes by their names."""

    server: str
    homes: Mapping[str, str]


@contextmanager
def street(lines: Mapping[str, int | None]) -> Iterator[Street]:
    """What the line of each home carries on its way down, in kilobits a second; None: more than anybody sends."""
    with ExitStack() as stack:
        server = stack.enter_context(namespace(f"server-{os.getpid()}"))
        run("ip", "-n", server, "addr", "add", f"{SERVER}/32", "dev", "lo")
        homes = {}
        for number, (name, kilobits) in enumerate(lines.items(), 20):
            home = homes[name] = stack.enter_context(namespace(f"{name}-{os.getpid()}"))
            near, device = f"10.213.{number}.1", f"line{number}"
            cable(server, device, f"{near}/24", home, "wan", f"10.213.{number}.2/24")
            run("ip", "-n", home, "route", "add", "default", "via", near)
            if kilobits is not None:
                shape = ("rate", f"{kilobits}kbit", "burst", str(BUCKET), "latency", QUEUE)
                inside(server, "tc", "qdisc", "add", "dev", device, "root", "tbf", *shape)
        yield Street(server, homes)

"""What a server does with its recordings: has them composed, keeps them for a while, and shows them.

    data/recordings   the journals          data/objects       what is made of them, unless that is in S3
    data/scratch      unfinished results    data/passes.key    what tickets, links and addresses are signed with

Stands on `archive/worker`, `archive/keeper` and `app/shelf`; `app/server` opens it, `app/worker` works elsewhere.
Source: docs/keeping.md.
Leaves out: recording itself (`app/recordings`). Read next: `app/shelf.py`.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio
from starlette.routing import Route

from meetref.app.command import CommandFailed, Exit
from meetref.app.passes import Passes, read_key
from meetref.app.shelf import Shelf
from meetref.archive.attempt import Told, Workshop
from meetref.archive.composecommand import compose_by_command
from meetref.archive.keeper import keep_for
from meetref.archive.log import EventLog
from meetref.archive.objects import Objects, ObjectsUnavailable, open_objects
from meetref.archive.worker import Worker
from meetref.wire.reader import Malformed

COMPOSE = (sys.executable, "-c", "import sys; from meetref.app.cli import main; sys.exit(main())", "compose")
MAXIMUM_DAYS = 36500.0


@dataclass(slots=True, frozen=True)
class Keeping:
    """How recordings are kept. `compose` is the composer's command; without `works` workers are elsewhere.

    `days` is how long recordings are kept, None: until somebody deletes them.
    """

    data: Path
    objects: Objects
    compose: Sequence[str] = field(default_factory=lambda: COMPOSE)
    works: bool = True
    days: float | None = None

    @property
    def recordings(self) -> Path:
        """Where the journals are."""
        return self.data / "recordings"

    def worker(self, log: EventLog, told: Told = lambda *_: None) -> Worker:
        """Somebody who composes what has ended."""
        compose = partial(compose_by_command, self.compose)
        shop = Workshop(self.recordings, self.data / "scratch", self.objects, compose, os.urandom)
        return Worker(log, shop, told)


class Library:
    """A server's recordings, once they are made. `ticket` is for whoever comes into a room. Raises `OSError`.

    `is_secure`: the server has TLS.
    """

    def __init__(
        self, keeping: Keeping, log: EventLog, wall_clock: Callable[[], float], *, is_secure: bool = False
    ) -> None:
        self._keeping = keeping
        self._log = log
        self._wall_clock = wall_clock
        keeping.recordings.mkdir(parents=True, exist_ok=True)  # workers look for it
        passes = Passes(read_key(keeping.data / "passes.key"), wall_clock)
        self.ticket = passes.ticket
        self._shelf = Shelf(log, keeping.recordings, keeping.objects, passes, is_secure=is_secure)

    def routes(self) -> Sequence[Route]:
        """What is put up over HTTP."""
        return self._shelf.routes()

    async def run(self) -> None:
        """Work, and delete what is too old, until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._keeping.works:
                nursery.start_soon(self._keeping.worker(self._log).run, name="worker")
            if self._keeping.days is not None:
                sweep = partial(keep_for, self._keeping.days, self._log, self._keeping.recordings)
                nursery.start_soon(sweep, self._keeping.objects, self._wall_clock, name="keeper")


def add_keeping_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref serve` and `meetref worker` that are about recordings."""
    parser.add_argument(
        "--objects", metavar="PLACE", help="where recordings go once composed: a folder, or s3://BUCKET/PREFIX"
    )


def read_days(text: str) -> float:
    """For a command line. Raises `argparse.ArgumentTypeError`."""
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days <= MAXIMUM_DAYS:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number of days above 0")
    return days


def objects_at(place: str | None, data: Path) -> Objects:
    """The objects that a command line names, or those in the data folder. Raises `CommandFailed`."""
    try:
        return open_objects(place or data / "objects")
    except Malformed as error:
        raise CommandFailed(f"--objects: {error.what}", Exit.WRONG_COMMAND_LINE) from None
    except ObjectsUnavailable as error:
        raise CommandFailed(str(error)) from None

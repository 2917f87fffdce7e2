"""Compose recordings that have ended, beside a server or on another machine.

    meetref serve --no-worker                  and, in the same folder
    meetref worker
    meetref worker --data /shared --log kafka://HOST:PORT/TOPIC --objects s3://BUCKET/PREFIX
    meetref worker --again RECORDING           have one that failed tried once more

Needs what the server writes: its event log, and the folder of its journals. Says how far it is.
Stands on `archive/worker` by way of `app/keeping`. Leaves out: several recordings at a time; start another worker.
Read next: `app/keeping.py`, docs/keeping.md.
"""

from __future__ import annotations

import argparse
import logging
import sys
from os.path import isdir
from pathlib import Path
from typing import TextIO

import trio

from meetref.app.command import CommandFailed, Exit
from meetref.app.keeping import Keeping, add_keeping_arguments, objects_at
from meetref.app.stopping import until_terminated
from meetref.archive.broker import read_place
from meetref.archive.kept import read_kept, room_in
from meetref.archive.log import LogUnavailable, open_log
from meetref.archive.worker import has_journals, want_again
from meetref.wire.reader import Malformed

WIDTH = 30  # of the bar, characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref worker`."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="FOLDER",
        help="the server's folder, also if shared (data)",
    )
    parser.add_argument("--log", metavar="URL", help="the server's event log in Kafka: kafka://HOST:PORT/TOPIC")
    add_keeping_arguments(parser)
    parser.add_argument(
        "--again", metavar="RECORDING", help="only say in the log that this one, which failed, is to be tried again"
    )


def run(arguments: argparse.Namespace) -> int:
    """Work until interrupted. Raises `CommandFailed`."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
    if arguments.log is not None:
        check_log(arguments.log)
    if not isdir(arguments.data / "recordings"):  # of a name that is too long pathlib does not know whether it is there
        raise CommandFailed(
            f"there is no folder {arguments.data / 'recordings'}: --data has to name the folder that the server has, "
            "and `meetref serve` makes it"
        )
    keeping = Keeping(arguments.data, objects_at(arguments.objects, arguments.data))
    log = arguments.log or arguments.data / "events.sqlite"
    try:
        if arguments.again is None:
            trio.run(until_terminated, _work, log, keeping)
        elif (trouble := trio.run(_want_again, log, keeping, arguments.again)) is not None:
            raise CommandFailed(trouble)
    except* LogUnavailable as errors:
        raise CommandFailed(f"the event log {log} cannot be used: {errors.exceptions[0]}") from None
    return Exit.DONE


async def _work(log_at: str | Path, keeping: Keeping) -> None:
    async with open_log(log_at) as log:
        print(f"waiting for recordings in {keeping.recordings}   (Ctrl+C stops it)", flush=True)
        await keeping.worker(log, Bar(sys.stdout)).run()


async def _want_again(log_at: str | Path, keeping: Keeping, name: str) -> str | None:
    """Say it in the log, where whoever composes sees it; or why it cannot be."""
    async with open_log(log_at) as log:
        room = room_in(name)
        kept = (await read_kept(log, room)).get(name) if room is not None else None
        if kept is None:
            return f"the log {log_at} knows no recording {name[:100]!r}: it is the name of its folder"
        if kept.state != "failed":
            return f"{name} has not failed: it is {kept.state}"
        if not await has_journals(keeping.recordings, name):
            return f"there are no journals of {name} in {keeping.recordings}, of which a film could be made"
        await want_again(log, kept)
    print(f"{name} is tried again, by the server or a worker that runs")
    return None


class Bar:
    """Says in a terminal how far a recording is, in one line that grows; elsewhere in a line for every tenth."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._told: tuple[str, int, str | None] = ("", -1, None)

    def __call__(self, name: str, done: float, trouble: str | None) -> None:
        steps = 100 if self._out.isatty() else 10
        told = (name, int(done * steps + 1e-6), trouble)
        if told == self._told:
            return
        self._told = told
        print(self._line(name, done, trouble), end="", file=self._out, flush=True)

    def _line(self, name: str, done: float, trouble: str | None) -> str:
        filled = int(done * WIDTH)
        line = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {done:4.0%}  {name}"
        if trouble is not None:
            return f"{line}: {trouble}\n"
        goes_on = self._out.isatty() and done < 1
        return f"\r{line}" if goes_on else f"{chr(13) if self._out.isatty() else ''}{line}\n"


def check_log(url: str) -> None:
    """Is this where a log may be? Raises `CommandFailed`."""
    try:
        read_place(url)
    except Malformed as error:
        raise CommandFailed(f"--log: {error.what}", Exit.WRONG_COMMAND_LINE) from None

"""Make films of a recording: one of everybody, files of each person, subtitles, a poster and an index.

    meetref compose data/recordings/20261128T102345Z-algebra-9fe37c

Stands on `archive/composer`. What comes of it, and how: docs/recording.md.
Leaves out: finding recordings that have no film yet, and telling anybody.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
from pathlib import Path
from typing import Any

from meetref.app.command import CommandFailed, Exit
from meetref.archive.composer import compose, read_chat
from meetref.archive.reading import CannotCompose

BAR = 40  # characters
SMALLEST_STEP = 0.01  # of the work, that is worth a word


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which recording, and where to."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the recording")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the films go; not there yet (FOLDER/film)")
    parser.add_argument("--layout", choices=("grid", "speaker"), default="grid", help="who is large (grid: nobody)")
    parser.add_argument("--chat", type=Path, metavar="FILE", help="what was written meanwhile, a list in JSON")
    parser.add_argument("--json", action="store_true", help="tell how far it is, and the end, in a line of JSON each")


def run(arguments: argparse.Namespace) -> int:
    """Make them."""
    out = arguments.out or arguments.folder / "film"
    telling = _Json() if arguments.json else _Bar()
    try:
        chat = read_chat(arguments.chat.read_bytes()) if arguments.chat is not None else []
        index = compose(arguments.folder, out, layout=arguments.layout, chat=chat, progress=telling.progress)
    except (CannotCompose, OSError) as error:
        sentence = _sentence(error)
        telling.failed(sentence, is_full=isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT))
        if arguments.json:
            return Exit.DOES_NOT_HOLD
        raise CommandFailed(sentence) from None
    telling.composed(out, index)
    return Exit.DONE


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"The films cannot be written or the recording not be read: {error.strerror}{where}."
    return str(error)


class _Json:
    """Tells programs."""

    def __init__(self) -> None:
        self._told = -1.0

    def progress(self, done: float) -> None:
        if done - self._told >= SMALLEST_STEP or done == 1.0 != self._told:
            self._told = done
            self._say({"done": round(done, 3)})

    def composed(self, out: Path, index: dict[str, Any]) -> None:
        self._say({"composed": str(out), "duration": index["duration"], "files": len(index["files"])})

    def failed(self, sentence: str, *, is_full: bool) -> None:
        self._say({"failed": sentence, **({"full": True} if is_full else {})})

    def _say(self, what: dict[str, Any]) -> None:
        print(json.dumps(what, ensure_ascii=False), flush=True)


class _Bar:
    """Tells people: a bar where there is a terminal."""

    def __init__(self) -> None:
        self._draws = sys.stderr.isatty()

    def progress(self, done: float) -> None:
        if self._draws:
            full = round(done * BAR)
            print(f"\r[{'#' * full}{'.' * (BAR - full)}] {done:4.0%}", end="", file=sys.stderr, flush=True)

    def composed(self, out: Path, index: dict[str, Any]) -> None:
        self._end()
        print(f"{out}: {index['duration']:.1f} s, {len(index['people'])} people, {len(index['files'])} files")
        for told in index["told"]:
            print(f"  {told}")

    def failed(self, sentence: str, *, is_full: bool) -> None:
        self._end()

    def _end(self) -> None:
        if self._draws:
            print(file=sys.stderr)

"""Removes one guard of the code in a copy of the tree, and runs the tests that should notice.

A guard is a line that refuses, drops or bounds something. `guards.toml` has a table for each:

    [[guard]]
    file = "meetref/protocol/cookie.py"
    line = "return hmac.compare_digest(...)"      the line without its indent; it must be there, and only once
    after = "def verify"                          where it is not the only one: the first one after this line
    instead = "return True"                       what stands there in the copy
    tests = ["tests/protocol/test_cookie.py"]     words for pytest

Lines may move; a line that is gone is an error, since nobody would notice that its guard went with it.
`python -m tests.mutations` tries all of them. Read next: tests/mutations/test_mutations.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("guards.toml")
COPIED = ("meetref", "tests", "pyproject.toml")
LINKED = ("vectors", "spec", "docs", "tutorials")
PATIENCE = 300.0

Outcome = Literal["noticed", "unnoticed", "broken"]


class GuardMissing(Exception):
    """The line of a guard is not in its file, or more than once."""


@dataclass(frozen=True)
class Guard:
    """A line of the code, and what stands in its place in the copy."""

    file: str
    line: str
    instead: str
    tests: tuple[str, ...]
    after: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.line}"

    def place(self, lines: Sequence[str]) -> int:
        """Where the line is, from 0. Raises `GuardMissing`."""
        stripped = [line.strip() for line in lines]
        begin = 0
        if self.after:
            found = [number for number, line in enumerate(stripped) if self.after in line]
            if not found:
                raise GuardMissing(f"{self}: there is no line with {self.after!r}")
            begin = found[0]
        places = [number for number in range(begin, len(lines)) if stripped[number] == self.line]
        if not places or (len(places) > 1 and not self.after):
            raise GuardMissing(f"{self}: it is there {len(places)} times")
        return places[0]

    def removed_from(self, text: str) -> str:
        """The file without the guard. Raises `GuardMissing`."""
        lines = text.splitlines(keepends=True)
        at = self.place(lines)
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines[at] = f"{indent}{self.instead}\n"
        return "".join(lines)


def guards() -> list[Guard]:
    """All of the list."""
    tables = tomllib.loads(LIST.read_text(encoding="utf-8"))["guard"]
    return [Guard(**table | {"tests": tuple(table["tests"])}) for table in tables]


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of what the tests need, to be broken at will."""
    with tempfile.TemporaryDirectory(prefix="meetref-mutations-") as name:
        copy = Path(name)
        for part in COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, copy / part)
        for part in LINKED:
            (copy / part).symlink_to(ROOT / part)
        yield copy


def run_tests(copy: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run pytest in the copy, which must not find the tree itself."""
    # `-B`: what was compiled within one second of a change would be taken for the changed file.
    options = ["-q", "-x", "--peers=none", "-p", "no:cacheprovider", f"--spec-results={copy / 'results.json'}"]
    return subprocess.run(
        [sys.executable, "-B", "-m", "pytest", *options, *tests],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def attempt(guard: Guard, copy: Path) -> tuple[Outcome, str]:
    """Try it without the guard: does a test fail? Also what pytest said. The copy is whole again afterwards."""
    file = copy / guard.file
    whole = file.read_text(encoding="utf-8")
    file.write_text(guard.removed_from(whole), encoding="utf-8")
    try:
        done = run_tests(copy, guard.tests)
    except subprocess.TimeoutExpired:
        return "noticed", "without it the tests never end"
    finally:
        file.write_text(whole, encoding="utf-8")
    said = done.stdout[-3000:] + done.stderr[-1000:]
    outcomes: dict[int, Outcome] = {0: "unnoticed", 1: "noticed"}
    return outcomes.get(done.returncode, "broken"), said

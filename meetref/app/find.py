"""`meetref find STEM`: everything there is about one subject, wherever it stands.

Stands on nothing but the names of files: a stem is the same word in every folder, so no registry is needed.
Specification: docs/architecture.md (stems).
Leaves out: searching inside files; `grep` does that.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from meetref.app.checkout import checkout
from meetref.app.command import CommandFailed, Exit, print_json

KINDS = {
    "code": "meetref",
    "tests": "tests",
    "spec": "spec",
    "vectors": "vectors",
    "tutorials": "tutorials",
    "docs": "docs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The stem, and whether a program reads the answer."""
    parser.add_argument("stem", metavar="STEM", help="one word for one subject: stun, ice, rtp, ...")
    parser.add_argument("--json", action="store_true", help="write it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """List what belongs to the stem; exit 1 when nothing does."""
    root = checkout()
    stem = arguments.stem.lower()
    found = {kind: [str(path.relative_to(root)) for path in paths_of(root, stem, kind)] for kind in KINDS}
    if arguments.json:
        print_json(found)
    elif not any(found.values()):
        stems = sorted(path.stem for path in (root / "meetref").rglob("*.py") if path.stem != "__init__")
        near = difflib.get_close_matches(stem, stems, n=3)
        raise CommandFailed(
            f"nothing is called {stem[:40]!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")
        )
    for kind, paths in {} if arguments.json else found.items():
        for path in paths:
            print(f"{kind:<10} {path}")
    return Exit.DONE if any(found.values()) else Exit.DOES_NOT_HOLD


def paths_of(root: Path, stem: str, kind: str) -> Iterator[Path]:
    """The files of one kind whose name or folder is the stem, or says it as one of its words."""
    for path in sorted((root / KINDS[kind]).rglob("*")):
        inside = path.relative_to(root / KINDS[kind])
        if not path.is_file() or any(part.startswith((".", "__", "_build")) for part in inside.parts):
            continue
        words = re.split(r"[-_.]", path.name.lower())
        if stem == path.stem.lower() or stem in words or stem in inside.parts[:-1]:
            yield path

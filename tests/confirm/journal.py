"""Who else reads and writes journals as vectors/journal does: two small readers, in JavaScript and in Go.

The format is this project's own, so nobody else has a reader of it. These were written from docs/journal.md alone,
share no code with `archive/journal` or with each other, and compute the CRC in their own way: by its polynomial, and
with Go's library. Stands above `tests/confirm/witness.py`. Read next: docs/journal.md.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.confirm.witness import Absent, Ask, Case, Witness, asked
from tests.peers.gobuild import built

JAVASCRIPT = Path(__file__).parents[1] / "peers" / "journal_reader.mjs"
PATIENCE = 120.0
HOW = {
    "recover": "read from the document alone: same header and records, and where they end; nothing of an invalid one",
    "write": "written from the document alone: the same octets",
}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each reader that agrees with all of its cases."""
    return asked(
        data,
        Witness("a reader in JavaScript", _version("node"), HOW, _ask(lambda: ["node", str(JAVASCRIPT)])),
        Witness("a reader in Go", _version("go"), HOW, _ask(lambda: [str(built("journal_reader"))])),
    )


def _version(program: str) -> Callable[[], str]:
    """The readers have one version, while the language is there that they are written in."""

    def version() -> str:
        if shutil.which(program) is None:
            raise Absent
        return "1"

    return version


def _ask(command: Callable[[], Sequence[str]]) -> Ask:
    def ask(operation: str, cases: list[Case]) -> None:
        lines = "".join(json.dumps({"what": operation, **case["in"]}) + "\n" for case in cases)
        run = subprocess.run(command(), input=lines, capture_output=True, text=True, timeout=PATIENCE, check=True)
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        assert len(answers) == len(cases)
        for case, answer in zip(cases, answers, strict=True):
            wanted = case.get("out", {"nothing": True} if operation == "recover" else {"refused": True})
            assert answer == wanted, f"{case['id']}: {str(answer)[:200]}"

    return ask

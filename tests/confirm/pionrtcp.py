"""Pion's RTCP library as a witness: what it reads of datagrams, and whether it writes the same octets again.

Stands on tests/peers/gobuild.py, which builds the program from tests/peers/pion_rtcp.
Read next: `tests/confirm/feedback.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from tests.confirm.witness import Absent, Case
from tests.peers.gobuild import built

VERSION = "1.2.20"  # as tests/peers/pion_rtcp/go.mod has it


def version() -> str:
    """Raises `Absent` where there is no Go."""
    if shutil.which("go") is None:
        raise Absent
    return VERSION


def packets_of(cases: list[Case]) -> Iterator[tuple[Case, list[dict[str, Any]]]]:
    """Each valid case with the packets that Pion reads in it; raises where it takes, refuses or writes otherwise."""
    lines = "".join(json.dumps({"hex": case["in"]["hex"]}) + "\n" for case in cases)
    command = [str(built("pion_rtcp"))]
    run = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=True)
    for case, line in zip(cases, run.stdout.splitlines(), strict=True):
        said = json.loads(line)
        if case["result"] == "invalid":
            assert "refused" in said, f"Pion takes {case['id']}"
            continue
        assert "refused" not in said, f"Pion refuses {case['id']}: {said['refused']}"
        if "Canonical" in case["flags"]:
            assert said["again"] == case["in"]["hex"], f"Pion writes {case['id']} otherwise"
        yield case, said["packets"]

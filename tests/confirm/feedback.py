"""Who else reads vectors/feedback as we do: Pion's RTCP library.

Stands on tests/peers/gobuild.py, which builds the program from tests/peers/pion_feedback. tshark 4.0 and aiortc 1.16
know no congestion control feedback, and nobody gives out the reports that a feedback comes to.
Read next: tests/generate/feedback.py; tests/peers/pion_feedback/main.go.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from tests.confirm.witness import Absent, Case, Witness, asked
from tests.peers.gobuild import built

VERSION = "1.2.20"  # as tests/peers/pion_feedback/go.mod has it
PION = {
    "parse": "rtcp.Unmarshal gives the same fields, Marshal the same octets where they are canonical; or it refuses"
}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(data, Witness("Pion rtcp", _version, PION, _ask))


def _version() -> str:
    if shutil.which("go") is None:
        raise Absent
    return VERSION


def _ask(operation: str, cases: list[Case]) -> None:
    lines = "".join(json.dumps({"hex": case["in"]["hex"]}) + "\n" for case in cases)
    command = [str(built("pion_feedback"))]
    run = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=True)
    for case, line in zip(cases, run.stdout.splitlines(), strict=True):
        said = json.loads(line)
        if case["result"] == "invalid":
            assert "refused" in said, f"Pion takes {case['id']}"
            continue
        assert "refused" not in said, f"Pion refuses {case['id']}: {said['refused']}"
        again = said.pop("again")
        for stream in said["streams"]:
            stream["marks"] = stream["marks"] if any(stream["marks"]) else []
        assert said == case["out"], f"Pion reads {case['id']} otherwise"
        if "Canonical" in case["flags"]:
            assert again == case["in"]["hex"], f"Pion writes {case['id']} otherwise"

"""Loads the codec cases that the runners of rtp, rtcp and vp8 replay.

Stands below `tests/vectors/test_{rtp,rtcp,vp8}.py`. Read next: `tests/vectors/test_rtp.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent.parent.parent / "vectors"


@dataclass(frozen=True)
class Vector:
    """One case: what is done (`operation`), with what, and what should come out (None for an invalid one)."""

    id: str
    operation: str
    given: dict[str, Any]
    out: Any
    invalid: bool
    acceptable: bool
    flags: tuple[str, ...]

    def __str__(self) -> str:
        return self.id


def load(name: str) -> list[Vector]:
    """All cases of a set, such as "rtp/packets"."""
    data = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return [
        Vector(
            id=case["id"],
            operation=group["params"]["operation"],
            given=case["in"],
            out=case.get("out"),
            invalid=case["result"] == "invalid",
            acceptable=case["result"] == "acceptable",
            flags=tuple(case["flags"]),
        )
        for group in data["groups"]
        for case in group["tests"]
    ]


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)

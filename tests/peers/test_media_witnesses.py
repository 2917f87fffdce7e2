"""Whoever is named in the vectors of vp9, h264, av1, red and fec still agrees with them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parent.parent.parent / "vectors"
STEMS = ("vp9", "h264", "av1", "red", "fec")


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def named(data: dict[str, Any]) -> set[tuple[int, str]]:
    """Group and implementation of every `verified_by`."""
    return {
        (number, witness["implementation"])
        for number, group in enumerate(data["groups"])
        for witness in group["verified_by"]
    }


SETS = [path for stem in STEMS for path in sorted((VECTORS / stem).glob("*.json")) if named(read(path))]


@pytest.mark.peer("aiortc", "tshark", "pion-media", "livekit", "werift", "gstreamer", "wrtc")
@pytest.mark.parametrize("path", SETS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_whoever_is_said_to_have_confirmed_still_does(path: Path) -> None:
    data, stem = read(path), path.parent.name
    confirmer = importlib.import_module(f"tests.confirm.{stem}")
    entries = confirmer.confirm(f"{stem}/{path.stem}", {**data, "only_named": True})
    assert named(data) <= {(entry["group"], entry["implementation"]) for entry in entries}

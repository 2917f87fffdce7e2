"""Browsers over a way of 100 ms that loses one packet in twenty: their pictures come protected, and ours go so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.peers.office import office

pytestmark = [pytest.mark.peer("chromium", "chromedriver", "ip-netns"), pytest.mark.slow]


def look(folder: Path, form: str, viewer: str = "chromium") -> dict[str, dict[str, dict[str, Any]]]:
    """What Ada and Bob counted while the way up lost, and while the way down did."""
    with office() as place:
        done = place.run("tests.peers.far_pictures", str(folder), form, viewer, limit=170)
    assert done.returncode == 0, done.stderr[-3000:]
    return {each.pop("way"): each for each in map(json.loads, done.stdout.splitlines())}


@pytest.mark.spec("fec/both-or-none", "fec/number-used", "fec/virtual-packets", "fec/mutable-octets-zero")
def test_what_chromium_sends_protected_is_computed_by_the_server(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    counted = look(tmp_path, "fec")
    record_property("counted", json.dumps(counted))
    up = counted["up"]["bob"]
    assert up["codec"] == "video/VP8"
    assert up["mended"] > 0.1 * (up["lost_up"] + counted["up"]["ada"]["lost_up"]), counted
    for each in counted["up"].values():
        assert each["frames"] > 50, counted

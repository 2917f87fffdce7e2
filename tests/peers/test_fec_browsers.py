"""Browsers over a way of 100 ms that loses one packet in twenty: their pictures come protected, and ours go so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.peers.office import office


@pytest.mark.peer("chromium", "chromedriver", "firefox", "ip-netns")
@pytest.mark.slow
@pytest.mark.spec("fec/both-or-none", "fec/number-used", "fec/mutable-octets-zero", "fec/worth-it")
@pytest.mark.parametrize("viewer", ["chromium", "firefox"])
def test_pictures_are_protected_up_and_down(viewer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One Chromium, and another browser. No browser says what it computed of what comes."""
    with office() as place:
        done = place.run("tests.peers.far_pictures", str(tmp_path), "fec", viewer, "up", "down", limit=170)
    assert done.returncode == 0, done.stderr[-3000:]
    up, down = map(json.loads, done.stdout.splitlines())
    with capsys.disabled():
        print(f"\n{up}\n{down}")
    for counted in (*up["browsers"], *down["browsers"]):
        assert counted["codec"] == "video/VP8"
        assert counted["frames"] > 20
    lost = sum(each["lost_up"] for each in up["browsers"])
    assert up["server"]["mended"] > lost / 10, "what Chromium sends with FEC is computed"
    assert down["server"]["mended"] < lost / 10
    assert down["server"]["protected"] == 2, "pictures go with FEC to both"

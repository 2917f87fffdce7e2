"""Chromium and Firefox behind real NATs, with every path allowed and with relays only: they meet, and by what."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from tests.peers.home import Kind, home

pytestmark = [
    pytest.mark.peer("chromium", "chromedriver", "firefox", "ip-netns", "nftables"),
    pytest.mark.slow,
]


def meet(kind: Kind, policy: str, folder: Path) -> list[tuple[str, str]]:
    """Let them meet; the browser, and our end of the pair, of each of the four connections."""
    with home(kind) as place:
        done = place.run("tests.peers.natted", str(folder), policy, limit=240)
    assert done.returncode == 0, done.stderr[-3000:]
    *lines, last = done.stdout.splitlines()
    assert last == "met"
    assert len(lines) == 4
    return [(line.split()[0], line.split(maxsplit=2)[2].partition(" / ")[0]) for line in lines]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_two_browsers_at_home_meet_by_relays_alone(kind: Kind, tmp_path: Path) -> None:
    pairs = meet(kind, "relay", tmp_path)
    assert all(end.startswith("relay") for _, end in pairs), pairs


@pytest.mark.parametrize("kind", get_args(Kind))
def test_two_browsers_at_home_meet_as_they_like(kind: Kind, tmp_path: Path) -> None:
    pairs = meet(kind, "all", tmp_path)
    direct = [(browser, end) for browser, end in pairs if end.endswith("udp") and not end.startswith("relay")]
    if kind == "no-udp":
        assert direct == [], pairs
    else:
        assert ("firefox", "udp") in [(browser, end[-3:]) for browser, end in direct], pairs


@pytest.mark.parametrize("kind", ["cone", "symmetric"])
def test_chromium_at_home_needs_no_relay(kind: Kind, tmp_path: Path) -> None:
    """The relay and the media share a port, and Chromium shares a socket for both."""
    ends = [end for browser, end in meet(kind, "all", tmp_path) if browser == "chromium"]
    assert all(end in ("host udp", "srflx udp", "prflx udp") for end in ends), ends

"""Browsers beyond loopback: only TCP gets out, or the path dies in the middle of a call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.peers.office import office

pytestmark = [pytest.mark.peer("chromium", "chromedriver", "ip-netns", "nftables"), pytest.mark.slow]


@pytest.mark.spec("ice/tcp-passive", "ice/tcp-framing")
def test_chromium_meets_over_tcp_where_nothing_else_gets_out(tmp_path: Path) -> None:
    with office() as place:
        done = place.run("tests.peers.tcp_only", str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    *pairs, last = done.stdout.splitlines()
    assert last == "met"
    assert len(pairs) == 4
    assert all(pair.endswith("tcp / host tcp") for pair in pairs), pairs


@pytest.mark.spec("ice/restart", "ice/mixed-generations", "ice/stranger-unanswered")
@pytest.mark.peer("firefox")
@pytest.mark.parametrize("name", ["chromium", "firefox"])
@pytest.mark.parametrize("change", ["mapping", "address", "far"])
def test_a_call_whose_path_dies_heals_by_itself(
    change: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gaps are printed, not asserted: a busy machine is slow, and that is no defect."""
    with office() as place:
        done = place.run("tests.peers.healing", str(tmp_path), change, name)
    assert done.returncode == 0, done.stderr[-3000:]
    *measured, last = done.stdout.splitlines()
    assert last == "met"
    seen = [json.loads(line) for line in measured]
    assert len(seen) == 2
    for each in seen:
        assert len(set(each["before"].split(", "))) == 2, each
        assert not set(each["before"].split(", ")) & set(each["after"].split(", ")), "no path died"
    longest = ", ".join(f"{each['gap']:.2f}" for each in seen)
    with capsys.disabled():
        print(f"\n{name}, {change}: longest gap in each picture: {longest} s")

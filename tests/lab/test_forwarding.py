"""The lab that measures forwarding: a short run, with the real processes, brings every figure and leaves nothing."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed
from meetref.lab import forwarding
from meetref.lab.floor import find_runs

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the CPU clock of another process")


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    forwarding.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_short_run_brings_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    words = ("--viewers", "1,3", "--seconds", "0.3", "--rounds", "2", "--json", str(file))
    assert forwarding.run(options(*words)) == 0
    gc.collect()
    report = json.loads(file.read_text())
    figures, series = report["figures"], report["series"]
    assert report["lab"] == "forwarding"
    assert series["viewers"] == [1, 3]
    assert all(len(values) == 2 for values in series.values())
    assert figures["lost_percent"] == 0
    assert figures["times_floor"] > 1, "the floor is the least that it can cost"
    assert figures["cpu_us_per_forwarded_packet"] > figures["floor_us"] > 0
    assert 0 < figures["added_delay_ms_p50"] <= figures["added_delay_ms_p99"]
    assert figures["segments_per_send"] >= 1
    assert "With 3 viewers" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--viewers", "none"), ("--viewers", "91"), ("--seconds", "0"), ("--rounds", "99")])
def test_what_cannot_be_measured_is_said(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandFailed, match="--"):
        forwarding.plan_of(options(*words))


def test_a_child_that_ends_too_early_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(CommandFailed, match="ended too early"):
        forwarding.run(options("--viewers", "1"))


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([], []),
        ([5], [(0, 1, 5)]),
        ([5, 5, 5], [(0, 3, 5)]),
        ([5, 5, 4], [(0, 3, 5)]),
        ([5, 4, 4], [(0, 2, 5), (2, 3, 4)]),
        ([4, 5, 5], [(0, 1, 4), (1, 3, 5)]),
    ],
)
def test_only_the_last_of_a_run_may_be_smaller(sizes: list[int], runs: list[tuple[int, int, int]]) -> None:
    assert find_runs(sizes) == runs

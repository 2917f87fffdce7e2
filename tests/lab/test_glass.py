"""The lab that reads a clock from the other end: its sums, what it says, and two real browsers for a moment."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed, Exit
from meetref.lab import glass
from meetref.lab.glass import Way


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    glass.add_arguments(parser)
    return parser.parse_args(words)


def ways() -> tuple[Way, Way]:
    """The second round was slow for both."""
    through = Way(name="through the server", windows=[[43.0] * 40, [103.0] * 40, [44.0] * 40], widths={640})
    direct = Way(name="peer to peer", windows=[[40.0] * 40, [100.0] * 40, [40.0] * 40], unreadable=2, widths={640})
    return through, direct


def test_what_is_added_is_the_difference_within_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    figures = glass.figures_of(*ways())
    assert figures["added_ms_p50"] == 3
    assert figures["glass_ms_p50"] == 44
    assert figures["peer_to_peer_ms_p50"] == 40
    assert figures["frames"] == 240
    assert figures["unreadable_frames"] == 2
    glass.show(*ways())
    said = capsys.readouterr().out
    assert "added_ms_p50 is 3.0; the goal, under 5, is reached." in said
    assert "glass_ms_p50 is 44.0; the goal, under 150, is reached." in said


def test_goals_that_are_not_reached_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    slow = Way(name="through the server", windows=[[160.0] * 40] * 3)
    glass.show(slow, ways()[1])
    said = capsys.readouterr().out
    assert said.count("is not reached.") == 2


@pytest.mark.parametrize("words", [("--seconds", "0"), ("--rounds", "0"), ("--rounds", "51")])
def test_what_cannot_be_measured_is_said(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandFailed, match="--seconds go from"):
        glass.plan_of(options(*words))


def test_without_a_browser_it_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(CommandFailed, match=r"no program chromium on the PATH \(apt install chromium\)") as failed:
        glass.run(options())
    assert failed.value.code == 127


@pytest.mark.slow
@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_short_look_through_two_browsers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert glass.run(options("--quick", "--json", str(file))) == Exit.DONE
    report = json.loads(file.read_text())
    figures = report["figures"]
    assert report["lab"] == "glass"
    assert figures["frames"] >= 2 * glass.FEWEST
    assert 0 < figures["glass_ms_p50"] < 5000
    assert 0 < figures["peer_to_peer_ms_p50"] < 5000
    assert figures["added_ms_p50"] == pytest.approx(
        report["series"]["glass_ms_p50"][0] - report["series"]["peer_to_peer_ms_p50"][0]
    )
    assert figures["unreadable_frames"] <= figures["frames"] / 4
    assert "added_ms_p50 is" in capsys.readouterr().out

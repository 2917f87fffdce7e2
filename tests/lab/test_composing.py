"""The lab that composes: it measures a film that is one, and tells FFmpeg's time from ours."""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
from pathlib import Path

import av
import pytest

from meetref.app.command import CommandFailed
from meetref.archive.composer import compose
from meetref.lab import composing


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    composing.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "WIDTH", 320)
    monkeypatch.setattr(composing, "HEIGHT", 180)
    monkeypatch.setattr(composing, "PEOPLE", 2)


def test_the_figures_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert composing.run(options("--seconds", "1", "--rounds", "1", "--json", str(file))) == 0
    figures = json.loads(file.read_text())["figures"]
    assert figures["compose_speed_x"] > 0
    assert figures["own_cpu_share"] < 1
    assert "compose_speed_x" in capsys.readouterr().out


def test_what_is_composed_is_a_meeting(tmp_path: Path) -> None:
    composing.make_recording(tmp_path / "recording", 1)
    index = compose(tmp_path / "recording", tmp_path / "film")
    assert [person["name"] for person in index["people"]] == ["Ada", "Emmy"]
    assert [entry["holds"] for entry in index["files"]] == ["person", "person", "film", "poster"]


def test_time_in_ffmpeg_is_told_from_ours() -> None:
    profile = cProfile.Profile()
    profile.enable()
    frame = av.VideoFrame(640, 360, "yuv420p")
    for _ in range(20):
        frame.to_ndarray(format="rgb24")
    sum(number * number for number in range(100_000))
    profile.disable()
    stats = pstats.Stats(profile)
    assert 0 < composing.in_ffmpeg(stats) < stats.total_tt  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [("--seconds", "0"), ("--rounds", "0")])
def test_numbers_have_bounds(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandFailed):
        composing.run(options(*words))


def test_times_are_compared_with_those_measured_next_to_them() -> None:
    """What else runs on the machine changes both."""
    result = composing.Result(10.0, cpu=[10.0, 15.0, 15.0], ffmpeg=[7.5, 11.0, 11.5])
    assert result.own_share == pytest.approx(0.25)

"""The lab with thousands of viewers: its sums and what it says; a few viewers for a moment, with nginx."""

from __future__ import annotations

import argparse
from collections import Counter

import pytest
import trio

from meetref.app.command import CommandFailed
from meetref.lab import spectators
from meetref.lab.spectators import Outcome


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    spectators.add_arguments(parser)
    return parser.parse_args(words)


def told(**changed: float) -> dict[str, float]:
    names = ("lists", "parts", "octets", "late", "failed", "passed_over", "behind_p50", "behind_p99")
    return {**dict.fromkeys(names, 0), "lists": 1000, "parts": 1000, "octets": 10_000_000, **changed}


def outcome(*tellings: dict[str, float]) -> Outcome:
    folder = "/watch/lab/run/v180"
    asked = {f"{folder}/7.1.m4s": 1, f"{folder}/7.2.m4s": 3, f"{folder}/list.m3u8?_HLS_msn=7&_HLS_part=1": 1}
    return Outcome(
        seconds=10.0,
        cpu_seconds={"origin": 0.5, "studio": 4.0, "edge": 6.0, "viewers": 2.0},
        told=list(tellings),
        asked=Counter({**asked, "/watch/lab/run/sound/7.1.m4s": 9}),
    )


def test_figures_are_of_all_processes(capsys: pytest.CaptureFixture[str]) -> None:
    made = outcome(told(behind_p50=0.1), told(behind_p50=0.2, behind_p99=0.6))
    figures = spectators.figures_of(made)
    assert figures["requests_per_second"] == 400
    assert figures["megabits_per_second"] == 16
    assert figures["behind_the_first_ms_p50"] == 200
    assert (figures["origin_requests_a_piece"], figures["origin_requests_a_piece_at_most"]) == (2, 3)
    assert (figures["origin_cpu_percent"], figures["edge_cpu_percent"]) == (5, 60)
    spectators.show(spectators.plan_of(options()), made)
    assert (
        "2000 viewers get all that they ask for in time; the origin takes 5 % of its core." in capsys.readouterr().out
    )


@pytest.mark.parametrize("bad", [{"late": 50}, {"failed": 1}])
def test_what_is_late_or_missing_is_told(bad: dict[str, float], capsys: pytest.CaptureFixture[str]) -> None:
    spectators.show(spectators.plan_of(options()), outcome(told(**bad)))
    assert "do not all get what they ask for in time" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--viewers", "0"), ("--seconds", "0"), ("--processes", "65"), ("--come-at", "0")])
def test_what_cannot_be_measured_is_said(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandFailed, match=" go from "):
        spectators.plan_of(options(*words))


@pytest.mark.slow
@pytest.mark.peer("nginx")
def test_a_few_watch_for_a_moment() -> None:
    plan = spectators.plan_of(options("--viewers", "40", "--seconds", "2", "--come-at", "40"))
    figures = spectators.figures_of(trio.run(spectators.run_plan, plan))
    assert figures["origin_requests_a_piece_at_most"] <= 1
    assert figures["requests_per_second"] + figures["failed_requests"] > 0  # where others have this machine, it fails

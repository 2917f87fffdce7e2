"""`meetref lab loss`: what each kind of repair brings where, and its table and figures, from a seed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed
from meetref.lab import loss
from meetref.lab.loss import Call, Way, play
from meetref.media.protection import NOTICED_AFTER, choose

NEAR, FAR = 0.02, 0.3


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    loss.add_arguments(parser)
    return loss.run(parser.parse_args(words))


def test_asking_again_helps_near_and_not_far() -> None:
    asking, nothing = Way("asking", asks=True), Way("nothing")
    assert play(asking, loss=0.05, round_trip=NEAR, frames=300).whole > 0.99
    far = play(asking, loss=0.05, round_trip=FAR, frames=300)
    assert far == play(nothing, loss=0.05, round_trip=FAR, frames=300), "nothing is asked for that would come too late"
    assert 0.65 < far.whole < 0.82  # 0.95 to the sixth: no packet of a picture is lost


@pytest.mark.parametrize("far", [NEAR, FAR])
def test_fec_helps_as_much_however_far_it_is(far: float) -> None:
    by_rows, by_both = Way("ULPFEC", row=2), Way("FlexFEC", columns=True)
    rows = play(by_rows, loss=0.1, round_trip=far, frames=900)
    both = play(by_both, loss=0.1, round_trip=far, frames=900)
    assert 0.85 < rows.whole < both.whole
    assert rows.overhead == pytest.approx(both.overhead, rel=0.01), "the same price"


def test_what_is_chosen_is_whole_where_something_helps_and_costs_no_more_than_need_be() -> None:
    for loss_rate, far in ((0.01, NEAR), (0.01, FAR), (0.05, 0.1)):
        *_, chosen = loss.ways(loss_rate, far)
        assert (chosen.row, chosen.asks) == (choose(loss_rate, far).row, choose(loss_rate, far).tries > 0)
        outcome = play(chosen, loss=loss_rate, round_trip=far, frames=600)
        assert outcome.whole > 0.985
        assert outcome.overhead < 0.2


def test_nobody_asks_before_a_gap_is_a_loss() -> None:
    call = Call(Way("asking", asks=True), loss=0.05, round_trip=NEAR, seed=3)
    call.run(300)
    late = [call._came[number] - at - NEAR / 2 for number, (_, at) in enumerate(call._sent)]
    repaired = [each for each in late if each > 1e-6]
    assert len(repaired) > 50
    assert min(repaired) >= NOTICED_AFTER + NEAR - 1e-6


def test_the_command_tells_and_writes_the_same_for_the_same_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    assert run("--frames", "60", "--json", str(file)) == 0
    said = capsys.readouterr().out
    assert "there and back" in said
    assert len(said.splitlines()) == 2 + len(loss.LOSSES) * len(loss.ROUND_TRIPS)
    figures = json.loads(file.read_text())["figures"]
    assert figures["loss_10_far_300_nothing_overhead_percent"] == 0
    assert run("--frames", "60") == 0
    assert capsys.readouterr().out == said
    assert run("--frames", "60", "--seed", "2") == 0
    assert capsys.readouterr().out != said


def test_nonsense_is_refused() -> None:
    with pytest.raises(CommandFailed, match="--frames go from"):
        run("--frames", "0")

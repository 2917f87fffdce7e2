"""The lab that counts round trips until the first media: what documents promise, measured on the virtual network."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed
from meetref.lab import setup
from meetref.lab.setup import ROUND_TRIP, WAYS, run_call

CHECK_INTERVAL = 0.05


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    setup.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.spec("sped/answer-carries-next", "sped/plain-beside", "sped/round-robin")
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("name", "to_server", "to_client"),
    [
        ("dtls12", 3.5, 3.0),
        ("dtls12_inside", 2.5, 2.0),
        ("dtls13", 2.5, 3.0),
        ("dtls13_inside", 1.5, 2.0),
        ("dtls13_post_quantum", 2.5, 3.0),
    ],
)
def test_round_trips_to_the_first_media(name: str, to_server: float, to_client: float, seed: int) -> None:
    outcome = run_call(WAYS[name], seed)
    assert outcome.to_server / ROUND_TRIP == pytest.approx(to_server)
    assert outcome.to_client / ROUND_TRIP == pytest.approx(to_client)


@pytest.mark.spec("sped/answer-carries-next", "sped/checks-paced", "sped/plain-beside")
@pytest.mark.parametrize("seed", [1, 2])
def test_large_flights_cost_a_check_interval_at_most(seed: int) -> None:
    outcome = run_call(WAYS["dtls13_post_quantum_inside"], seed)
    assert outcome.to_server + 1e-9 >= 1.5 * ROUND_TRIP
    assert outcome.to_server <= 1.5 * ROUND_TRIP + CHECK_INTERVAL
    assert outcome.to_client <= 2.0 * ROUND_TRIP + CHECK_INTERVAL


@pytest.mark.spec("sped/loss")
def test_under_loss_everybody_hears_and_inside_of_checks_sooner() -> None:
    def mean(name: str) -> float:
        return math.fsum(run_call(WAYS[name], f"lossy {number}", 0.1).both for number in range(20)) / 20

    for version in ("dtls12", "dtls13", "dtls13_post_quantum"):
        plain, inside = mean(version), mean(f"{version}_inside")
        assert inside < plain < setup.PATIENCE


def test_the_same_seed_gives_the_same_figures() -> None:
    way = WAYS["dtls13_inside"]
    assert run_call(way, "again", 0.2) == run_call(way, "again", 0.2)


def test_every_way_has_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert setup.run(options("--calls", "2", "--json", str(file))) == 0
    report = json.loads(file.read_text())
    assert len(report["figures"]) == 4 * len(WAYS)
    assert {len(series) for series in report["series"].values()} == {2}
    said = capsys.readouterr().out
    assert all(way.words in said for way in WAYS.values())
    assert "1.0 round trips less" in said


@pytest.mark.parametrize("words", [("--calls", "1"), ("--loss", "51"), ("--loss", "-1")])
def test_nonsense_is_refused(words: tuple[str, str]) -> None:
    with pytest.raises(CommandFailed):
        setup.run(options(*words))

"""`meetref lab bandwidth`: its table, its figures and its picture, from a seed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from meetref.lab import bandwidth
from meetref.lab.bandwidth import fairness_of, measure_layers, measure_steps, picture, steps


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    bandwidth.add_arguments(parser)
    return bandwidth.run(parser.parse_args(words))


def test_the_steps_hold_what_is_promised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, drawn = tmp_path / "figures.json", tmp_path / "steps.svg"
    assert run("--quick", "--json", str(file), "--picture", str(drawn)) == 0
    assert "0.5 Mbit/s, 5 s after the fall" in capsys.readouterr().out
    report = json.loads(file.read_text())
    assert (report["lab"], report["seed"]) == ("bandwidth", 1)
    figures = report["figures"]
    for name in ("start", "fall", "rise"):
        assert figures[f"{name}_use_percent"] > 80
        assert figures[f"{name}_queue_ms_p95"] < 100
        assert figures[f"{name}_swing_percent"] < 20
    assert len({len(series) for series in report["series"].values()}) == 1
    assert ElementTree.fromstring(drawn.read_text()).tag.endswith("svg")


def test_a_seed_gives_the_same_figures() -> None:
    assert measure_steps(steps(7)) == measure_steps(steps(7))
    assert measure_steps(steps(7)) != measure_steps(steps(8))


def test_the_picture_has_a_line_for_each_curve() -> None:
    drawn = picture(steps(1))
    assert drawn.count('fill="none"') == 4
    for name in ("capacity of the link", "estimate", "what arrives", "time in the queue"):
        assert name in drawn


def test_layers_are_found_in_time() -> None:
    assert max(measure_layers(1).values()) < 10


def test_fairness_is_one_where_all_have_the_same() -> None:
    assert fairness_of([0.4, 0.4]) == pytest.approx(1)
    assert fairness_of([0.8, 0.0]) == pytest.approx(0.5)

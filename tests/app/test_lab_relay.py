"""`meetref lab relay`, shortened: that it measures something, and tells what it measured."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed, Exit
from meetref.lab import relay


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    relay.add_arguments(parser)
    return parser.parse_args(words)


def measured(folder: Path, *words: str) -> dict[str, float]:
    file = folder / "figures.json"
    words = ("--quick", "--clients", "2", "--seconds", "0.4", "--rounds", "1", "--json", str(file), *words)
    assert relay.run(arguments(*words)) == Exit.DONE
    content = json.loads(file.read_text())
    assert content["lab"] == "relay"
    figures: dict[str, float] = content["figures"]
    return figures


def test_a_short_look(tmp_path: Path) -> None:
    figures = measured(tmp_path)
    assert figures["cpu_us_per_relayed_packet"] > 0
    assert figures["relayed_packets_per_second"] > 100
    assert "ratio_to_coturn" not in figures


@pytest.mark.peer("coturn")
def test_a_short_look_at_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = measured(tmp_path, "--against", "coturn")
    ratio = figures["cpu_us_per_relayed_packet"] / figures["coturn_cpu_us_per_relayed_packet"]
    assert figures["ratio_to_coturn"] == pytest.approx(ratio, rel=0.01)
    assert "times coturn's CPU time" in capsys.readouterr().out


def test_what_cannot_be_measured() -> None:
    with pytest.raises(CommandFailed):
        relay.plan_of(arguments("--clients", "0"))

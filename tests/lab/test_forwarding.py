"""The lab that measures forwarding: a short run, with the real processes, brings every figure and leaves nothing."""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meetref.app.command import CommandFailed, Exit
from meetref.lab import forwarding, goprogram
from meetref.lab.shape import SPARSE

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the CPU clock of another process")

LATE = 50
"""Percent of a short window's packets that a very busy machine may bring after its end."""


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    forwarding.add_arguments(parser)
    return parser.parse_args(words)


def measured(folder: Path, *words: str) -> dict[str, Any]:
    file = folder / "figures.json"
    words = ("--seconds", "0.3", "--rounds", "2", "--json", str(file), *words)
    assert forwarding.run(options(*words)) == Exit.DONE
    gc.collect()
    report: dict[str, Any] = json.loads(file.read_text())
    assert report["lab"] == "forwarding"
    return report


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_short_run_brings_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path, "--viewers", "1,3")
    figures, series = report["figures"], report["series"]
    assert series["viewers"] == [1, 3]
    assert all(len(values) == 2 for values in series.values())
    assert figures["lost_percent"] < LATE
    assert figures["times_floor"] > 1, "the floor is the least that it can cost"
    assert figures["cpu_us_per_forwarded_packet"] > figures["floor_us"] > 0
    assert 0 < figures["added_delay_ms_p50"] <= figures["added_delay_ms_p99"]
    assert figures["segments_per_send"] >= 1
    assert "memory_kb_per_viewer" in figures
    said = capsys.readouterr().out
    assert "With 3 viewers" in said
    assert "times_floor is" in said


def test_figures_of_another_shape_say_which(tmp_path: Path) -> None:
    report = measured(tmp_path, "--shape", "even", "--viewers", "2")
    figures = report["figures"]
    assert figures["cpu_us_per_forwarded_packet_even"] > figures["floor_us_even"] > 0
    assert figures["times_floor_even"] > 1
    assert "times_floor" not in figures
    assert report["settings"]["packets_per_burst"] == [1]


def test_many_viewers_are_compared_with_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "SPARSE", replace(SPARSE, audiences=(1, 4)))
    figures = measured(tmp_path, "--viewers", "1", "--rounds", "1", "--many")["figures"]
    many, few = (figures[f"cpu_us_per_forwarded_packet_{count}_viewers"] for count in (500, 10))
    assert many > 0
    assert few > 0
    assert figures["cost_ratio_500_to_10_viewers"] > 0
    assert figures["lost_percent_500_viewers"] < LATE


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("livekit", marks=[pytest.mark.peer("livekit"), pytest.mark.slow]),
        pytest.param("pion", marks=pytest.mark.peer("pion-sfu")),
        pytest.param("janus", marks=pytest.mark.peer("janus")),
    ],
)
@pytest.mark.filterwarnings("error::ResourceWarning")
def test_the_same_load_through_another_server(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path, "--viewers", "3", "--rounds", "1", "--against", name)
    figures = report["figures"]
    assert figures[f"{name}_us"] > 0
    assert figures[f"{name}_lost_percent"] < LATE
    assert 0 < figures[f"{name}_delay_ms_p50"] <= figures[f"{name}_delay_ms_p99"]
    ratio = figures["cpu_us_per_forwarded_packet"] / figures[f"{name}_us"]
    assert figures[f"ratio_to_{name}"] == pytest.approx(ratio, rel=0.01)
    assert report["settings"]["against"] == name
    assert f"{name} (SRTP_AEAD_AES_256_GCM) takes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("livekit", "livekit-server-1.13.3 is not built yet, and there is no program go on the PATH"),
        ("pion", "is not built yet, and there is no program go on the PATH"),
        ("janus", "there is no program janus on the PATH"),
    ],
)
def test_a_server_that_cannot_be_had_is_unsupported(
    name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr(goprogram, "CACHE", tmp_path)
    with pytest.raises(CommandFailed, match=sentence) as failed:
        forwarding.run(options("--against", name))
    assert failed.value.code == 127


def test_beside_another_server_each_shape_has_one_audience() -> None:
    alone, beside = (forwarding.plan_of(options(*words)).audiences for words in ((), ("--against", "janus")))
    assert alone == {"typical": (8, 20), "heavy": (20,), "heavy_50": (50,), "even": (20,)}
    assert beside == {"typical": (20,), "heavy": (20,), "heavy_50": (50,), "even": (20,)}
    assert forwarding.plan_of(options("--quick")).audiences == {"typical": (4, 8)}
    assert forwarding.plan_of(options("--quick", "--shape", "even")).audiences == {"even": (4, 8)}


@pytest.mark.parametrize("words", [("--viewers", "none"), ("--viewers", "501"), ("--seconds", "0"), ("--rounds", "99")])
def test_what_cannot_be_measured_is_said(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandFailed, match="--"):
        forwarding.plan_of(options(*words))


def test_a_child_that_ends_too_early_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(CommandFailed, match="ended too early"):
        forwarding.run(options("--viewers", "1"))

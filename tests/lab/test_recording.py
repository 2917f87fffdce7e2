"""The lab that measures recording: what a kill leaves of each kind of file, and a short run brings every figure."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed, Exit
from meetref.archive.recorder import SYNC_EVERY
from meetref.lab import composing, crash, recording


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    recording.add_arguments(parser)
    return parser.parse_args(words)


def test_after_a_kill_a_journal_lacks_what_waited_and_other_files_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash, "LASTS", 12.0)
    left = crash.rests(8, seed=3)
    assert [rest.decoded for rest in left["mp4"]] == [0] * 8, "it has no index yet"
    figures = crash.figures(left)
    assert figures["lost_s_journal"] <= SYNC_EVERY < figures["lost_s_fragmented_mp4"] < figures["lost_s_webm"]
    assert 0.9 < figures["playable_fraction_journal"] < 1


def test_the_same_seed_gives_the_same_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash, "LASTS", 6.0)
    assert crash.rests(3, seed=1) == crash.rests(3, seed=1)
    assert crash.rests(3, seed=1) != crash.rests(3, seed=2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the CPU clock of another process")
def test_a_short_run_brings_every_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crash, "LASTS", 6.0)
    monkeypatch.setattr(recording, "AUDIENCES", (1,))
    monkeypatch.setattr(composing, "PEOPLE", 1)
    file = tmp_path / "figures.json"
    assert recording.run(options("--quick", "--seconds", "0.3", "--rounds", "1", "--json", str(file))) == Exit.DONE
    report = json.loads(file.read_text())
    figures = report["figures"]
    assert report["lab"] == "recording"
    assert {"journal_cost_percent", "journal_us_per_packet", "journal_mb_per_person_minute"} <= figures.keys()
    assert figures["bot_us_per_packet"] > 0
    assert 0.9 < figures["bot_octets_per_second"] / figures["journal_octets_per_second"] < 1.1, "the same packets"
    assert figures["compose_mb_per_person_minute"] > 0
    assert figures["compose_speed_x"] > 0
    assert 0 < figures["own_cpu_share"] < 1
    assert 200_000 < figures["journal_octets_per_second"] < 400_000, "2 Mbit/s, and what the journal adds"
    said = capsys.readouterr().out
    assert "journal_cost_percent is" in said
    assert "s are lost at most" in said


def test_what_cannot_be_measured_is_refused() -> None:
    for words in (("--rounds", "0"), ("--seconds", "0.1")):
        with pytest.raises(CommandFailed) as failed:
            recording.plan_of(options(*words))
        assert failed.value.code == Exit.WRONG_COMMAND_LINE

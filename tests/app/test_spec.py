"""The command `meetref spec`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meetref.app.cli import main
from tests.app.small_tree import TEXT, plant, write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(plant(tmp_path))
    return tmp_path


def test_report_shows_the_denominator(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "report"]) == 0
    assert "2 of 2 requirements are verified." in capsys.readouterr().out


def test_report_lists_a_state(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "report", "--state", "verified"]) == 0
    assert "tea/boil (MUST, RFC 1 section 1): The water boils first." in capsys.readouterr().out


def test_report_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "report", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["documents"] == {"rfc1": {"verified": 2}}
    assert report["requirements"]["tea/boil"]["code"] == ["meetref/wire/tea.py:2"]
    assert report["problems"] == []


def test_a_problem_is_exit_code_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "meetref/wire/tea.py", "pass  # spec: tea/unknown\n")
    assert main(["spec", "report"]) == 1
    assert "problem: meetref/wire/tea.py:1 cites tea/unknown" in capsys.readouterr().out


def test_the_lock_is_compared(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "report", "--check"]) == 1
    assert main(["spec", "lock"]) == 0
    assert (root / "spec/coverage.lock").read_text() == "tea/boil MUST verified\ntea/pour SHOULD verified\n"
    assert main(["spec", "report", "--check"]) == 0
    write(root, "spec/coverage.lock", "tea/boil MUST verified\ntea/pour SHOULD open\n")
    assert main(["spec", "report", "--check"]) == 1
    assert "tea/pour: SHOULD open -> SHOULD verified" in capsys.readouterr().out


def test_a_lock_needs_results(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".cache/spec-results.json").unlink()
    assert main(["spec", "lock"]) == 1
    assert "run `make test` first" in capsys.readouterr().err
    assert main(["spec", "report"]) == 0
    assert "No test results are here yet" in capsys.readouterr().out


def test_check_names_forgotten_sections(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "texts/rfc1.txt", TEXT)
    assert main(["spec", "check", "--text", str(root / "texts")]) == 0
    write(root, "texts/rfc1.txt", TEXT + "\n3.  More\n\n   It MUST be hot.\n")
    assert main(["spec", "check", "--text", str(root / "texts")]) == 1
    assert "rfc1 section 3 (More)" in capsys.readouterr().out
    assert main(["spec", "check", "--text", str(root / "nowhere")]) == 2

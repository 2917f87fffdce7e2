"""What tests/conftest.py promises, tried in a pytest inside this one: peers, seeds, and the record of requirements."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.peer_registry import PEERS, program

TESTS = """
import pytest

@pytest.mark.peer("openssl")
def test_peer(): ...

@pytest.mark.soak(ci=2, full=5)
def test_seeded(seed):
    assert seed != 3

@pytest.mark.spec("tea/boil", "tea/pour")
def test_proves(): ...

@pytest.mark.spec("tea/stir")
def test_fails():
    assert False

@pytest.mark.spec("tea/skip")
def test_skips():
    pytest.skip("today")
"""


def run_inside(folder: Path, *options: str, path: str = os.environ["PATH"], ci: str = "") -> str:
    (folder / "test_inside.py").write_text(TESTS)
    plugins = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    results = ["--spec-results", str(folder / "results.json"), "-rA", "--no-header"]
    command = [sys.executable, "-m", "pytest", *plugins, *results, *options, str(folder / "test_inside.py")]
    environment = {**os.environ, "PATH": path, "CI": ci}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def outcome(said: str, name: str) -> str:
    found = re.search(rf"^([A-Z]+) .*{re.escape(name)}", said, re.MULTILINE)
    return found[1] if found else "not run"


@pytest.mark.parametrize(
    ("wish", "path", "wanted"),
    [
        ("none", os.environ["PATH"], "left out by --peers=none"),
        ("optional", "/nowhere", "peer openssl is absent: no program openssl on the PATH (apt install openssl)"),
        ("required", "/nowhere", "peer openssl is required and absent"),
    ],
)
def test_an_absent_peer_is_skipped_or_fails(tmp_path: Path, wish: str, path: str, wanted: str) -> None:
    said = run_inside(tmp_path, f"--peers={wish}", "-k", "test_peer", path=path)
    assert wanted in said
    assert ("1 error" in said) is (wish == "required")


def test_an_unknown_peer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.peer_registry import PEERS\nPEERS.pop('openssl')\n")
    assert "no peer is called 'openssl'" in run_inside(tmp_path, "-k", "test_peer")


def test_every_probe_answers() -> None:
    assert all(reason is None or reason for reason in (probe() for probe in PEERS.values()))
    assert program("sh", "dash")() is None


def test_seeds_are_few_or_many_or_one(tmp_path: Path) -> None:
    few = run_inside(tmp_path, "-k", "seeded")
    assert "2 passed" in few
    in_ci = run_inside(tmp_path, "-k", "seeded", ci="true")
    assert "2 passed" in in_ci
    assert outcome(in_ci, "test_seeded[seed=0]") == "PASSED"
    assert outcome(in_ci, "test_seeded[seed=1]") == "not run", "another every day"
    many = run_inside(tmp_path, "--soak")
    assert "1 failed, 4 passed" in many
    assert outcome(many, "test_seeded[seed=3]") == "FAILED"
    assert outcome(many, "test_proves") == "not run"
    assert "1 passed" in run_inside(tmp_path, "--seed", "17")


def test_what_passed_is_recorded_and_merged(tmp_path: Path) -> None:
    run_inside(tmp_path, "-k", "proves or fails or skips")
    assert recorded(tmp_path) == {"test_proves": (True, ["tea/boil", "tea/pour"]), "test_fails": (False, ["tea/stir"])}
    run_inside(tmp_path, "-k", "skips or peer")
    assert set(recorded(tmp_path)) == {"test_proves", "test_fails"}


def recorded(folder: Path) -> dict[str, tuple[bool, list[str]]]:
    tests = json.loads((folder / "results.json").read_text())["tests"]
    return {name.rpartition("::")[2]: (result["passed"], result["spec"]) for name, result in tests.items()}

"""`meetref find` lists by name alone, and `checkout` finds the tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meetref.app.checkout import checkout
from meetref.app.cli import main
from meetref.app.command import CommandFailed
from tests.app.small_tree import REAL, plant, write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(plant(tmp_path))
    return tmp_path


def test_everything_of_a_stem_is_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "tutorials/03-tea.md", "")
    write(root, "meetref/wire/steam.py", "")
    write(root, "tests/peers/test_tea_kettle.py", "")
    write(root, "docs/_build/tea.html", "")
    assert main(["find", "tea"]) == 0
    assert capsys.readouterr().out.split() == [
        "code", "meetref/wire/tea.py",
        "tests", "tests/peers/test_tea_kettle.py", "tests", "tests/wire/test_tea.py",
        "spec", "spec/tea.toml",
        "vectors", "vectors/tea/README.md", "vectors", "vectors/tea/cups.json",
        "tutorials", "tutorials/03-tea.md",
    ]  # fmt: skip


def test_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "--json", "tea"]) == 0
    assert json.loads(capsys.readouterr().out)["spec"] == ["spec/tea.toml"]
    assert main(["find", "--json", "coffee"]) == 1


def test_a_near_miss_gets_a_hint(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "tee"]) == 1
    assert capsys.readouterr().err == "meetref: nothing is called 'tee'; did you mean tea?\n"


def test_the_tree_is_found_from_inside_and_from_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "vectors" / "tea")
    assert checkout() == root
    assert checkout(Path("/")) == REAL


def test_without_a_tree_it_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetref.app.checkout.meetref.__file__", "/nowhere/meetref/__init__.py")
    with pytest.raises(CommandFailed, match="clone it first") as failure:
        checkout(Path("/"))
    assert failure.value.code == 127

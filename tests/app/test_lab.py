"""`meetref lab` finds experiments by entry point, lists them and runs one."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from meetref.app import lab
from meetref.app.cli import main


@pytest.fixture(autouse=True)
def tasting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One lab that works, and one whose package is absent."""
    module = ModuleType("tasting", "How tea tastes.\n\nMore.")
    module.add_arguments = add_arguments  # type: ignore[attr-defined]
    module.run = taste  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tasting", module)
    points = [EntryPoint(name, module, "meetref.labs") for name, module in (("tasting", "tasting"), ("gone", "no_tea"))]
    monkeypatch.setattr(lab, "entry_points", lambda group: points)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cups", type=int, default=1)
    parser.add_argument("--json", type=Path)


def taste(arguments: argparse.Namespace) -> int:
    print(f"{arguments.cups} cups")
    return 0 if arguments.cups < 5 else 1


def test_a_lab_runs_with_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "tasting", "--cups", "3"]) == 0
    assert capsys.readouterr().out == "3 cups\n"
    assert main(["lab", "tasting", "--cups", "7"]) == 1


def test_labs_are_listed_even_when_one_cannot_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab"]) == 0
    assert (
        capsys.readouterr().out == "gone           (needs the Python package no_tea)\ntasting        How tea tastes.\n"
    )
    assert main(["lab", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tasting"] == "How tea tastes."


def test_a_lab_whose_package_is_absent_is_unsupported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "gone"]) == 127
    assert capsys.readouterr().err == "meetref: lab gone needs the Python package no_tea\n"


def test_figures_that_could_not_be_written_are_not_measured_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "tasting", "--json", str(tmp_path / "here.json")]) == 0
    assert main(["lab", "tasting", "--json", str(tmp_path / "absent" / "tea.json")]) == 2
    out, err = capsys.readouterr()
    assert (out, f"there is no folder {tmp_path / 'absent'};" in err) == ("1 cups\n", True)


def test_an_unknown_lab_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "tastin"]) == 2
    assert capsys.readouterr().err == "meetref: there is no lab 'tastin'; did you mean tasting?\n"


def test_a_wrong_word_is_the_labs_own_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["lab", "tasting", "--spoons", "3"])
    assert leaving.value.code == 2
    assert "meetref lab tasting" in capsys.readouterr().err

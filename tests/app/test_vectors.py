"""The command `meetref vectors`: verify, fmt, generate, confirm, on a made-up tree."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meetref.app import vectormaking
from meetref.app.cli import main
from tests.app.small_tree import plant, vector_set


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(plant(tmp_path))
    return tmp_path


class Stem:
    """What a module of tests/generate or tests/confirm offers."""

    def __init__(self, data: dict[str, Any], witnesses: list[dict[str, Any]]) -> None:
        self.data = data
        self.witnesses = witnesses
        self.captures: dict[str, bytes] = {}

    def sets(self) -> dict[str, Any]:
        return {"tea/cups": self.data}

    def files(self) -> dict[str, bytes]:
        return self.captures

    def confirm(self, set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        assert set_name == "tea/cups"
        return self.witnesses


@pytest.fixture
def stem(monkeypatch: pytest.MonkeyPatch) -> Stem:
    stem = Stem(vector_set(), [])
    monkeypatch.setattr(vectormaking, "_modules", lambda *arguments: [stem])
    return stem


def witness(name: str, **more: Any) -> dict[str, Any]:
    return {"implementation": name, "version": "1", "date": "2026-02-02", "how": "drank it", **more}


def read(root: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((root / "vectors/tea/cups.json").read_text())
    return data


def test_verify_counts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vectors", "verify", "--no-replay"]) == 0
    assert capsys.readouterr().out == "1 sets, 2 cases; 0 of 1 groups provisional; 0 problems\n"
    assert main(["vectors", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == 2


def test_fmt_writes_the_one_format(root: Path) -> None:
    path = root / "vectors/tea/cups.json"
    wanted = path.read_text()
    path.write_text(json.dumps(vector_set()))
    assert main(["vectors", "fmt", "--check"]) == 1
    assert main(["vectors", "verify", "--no-replay"]) == 1
    assert main(["vectors", "fmt"]) == 0
    assert path.read_text() == wanted
    assert main(["vectors", "fmt", "--check"]) == 0


def test_generate_writes_what_changed(root: Path, stem: Stem) -> None:
    assert main(["vectors", "generate", "--check"]) == 0
    stem.data = vector_set(version="1.0.1")
    assert main(["vectors", "generate", "--check"]) == 1
    assert read(root)["version"] == "1.0.0"
    assert main(["vectors", "generate"]) == 0
    assert read(root)["version"] == "1.0.1"


def test_generate_keeps_witnesses_as_long_as_the_cases_are_the_same(root: Path, stem: Stem) -> None:
    stem.data["groups"][0]["verified_by"] = []
    assert main(["vectors", "generate"]) == 0
    assert [entry["implementation"] for entry in read(root)["groups"][0]["verified_by"]] == ["ann", "ben"]
    stem.data["groups"][0]["tests"][0]["comment"] = "black"
    stem.data["groups"][0]["provisional"] = True
    assert main(["vectors", "generate"]) == 0
    assert read(root)["groups"][0]["verified_by"] == []


def test_generate_writes_captures_too(root: Path, stem: Stem) -> None:
    stem.captures = {"sessions/first-cup/session.pcapng": b"\x0a\x0d"}
    assert main(["vectors", "generate", "--check"]) == 1
    assert main(["vectors", "generate"]) == 0
    assert (root / "vectors/sessions/first-cup/session.pcapng").read_bytes() == b"\x0a\x0d"
    assert main(["vectors", "generate", "--check"]) == 0


def test_confirm_writes_who_agreed(root: Path, stem: Stem) -> None:
    stem.witnesses = [witness("ann"), witness("zoe", group=0), witness("eve", group=1)]
    assert main(["vectors", "confirm", "tea"]) == 0
    group = read(root)["groups"][0]
    assert [(entry["implementation"], entry["date"]) for entry in group["verified_by"]] == [
        ("ann", "2026-01-01"),
        ("zoe", "2026-02-02"),
    ]
    assert "provisional" not in group
    stem.witnesses = [witness("zoe")]
    assert main(["vectors", "confirm"]) == 0
    assert read(root)["groups"][0]["provisional"] is True


def test_confirm_of_a_stem_that_is_not_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vectors", "confirm", "coffee", "--check"]) == 1
    assert capsys.readouterr().err == "meetref: no vectors are about 'coffee'; there are tea\n"


def test_confirm_check_demands_those_who_are_named(root: Path, stem: Stem, capsys: pytest.CaptureFixture[str]) -> None:
    stem.witnesses = [witness("ann", version="2")]
    before = read(root)
    assert main(["vectors", "confirm", "--check"]) == 1
    assert "ben is named in verified_by and did not confirm it here" in capsys.readouterr().out
    stem.witnesses.append(witness("ben"))
    assert main(["vectors", "confirm", "--check"]) == 0
    assert read(root) == before


@pytest.fixture
def modules_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A made-up `tests` package must not be mistaken for ours."""
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "tests"}
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ours:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    sys.modules.update(ours)


@pytest.mark.usefixtures("modules_of_its_own")
def test_generators_are_found_by_their_file(root: Path) -> None:
    for name in ("__init__.py", "generate/__init__.py", "generate/shared.py"):
        (root / "tests" / name).parent.mkdir(exist_ok=True)
        (root / "tests" / name).write_text("")
    (root / "tests/generate/tea.py").write_text(
        f"def sets():\n    return {{'tea/cups': {vector_set(version='2.0.0')!r}}}\n"
    )
    assert main(["vectors", "generate"]) == 0
    assert read(root)["version"] == "2.0.0"


CONFIRMER = """
def confirm(set_name, data):
    named = {entry["implementation"] for group in data["groups"] for entry in group["verified_by"]}
    names = named if data["only_named"] else {*named, "zoe", set_name}
    return [{"implementation": name, "version": "2", "date": "2026-02-02", "how": "drank it"} for name in names]
"""


@pytest.mark.usefixtures("modules_of_its_own")
def test_several_sets_are_confirmed_in_processes_and_told_in_their_order(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("__init__.py", "confirm/__init__.py"):
        (root / "tests" / name).parent.mkdir(exist_ok=True)
        (root / "tests" / name).write_text("")
    (root / "tests/confirm/tea.py").write_text(CONFIRMER)
    case = {**vector_set()["groups"][0]["tests"][0], "id": "tea-pots-0001"}
    pots = vector_set(set="tea-pots", schema="machine", groups=[{**vector_set()["groups"][0], "tests": [case]}])
    (root / "vectors/tea/pots.json").write_text(json.dumps(pots))
    assert main(["vectors", "confirm", "--check"]) == 0
    assert capsys.readouterr().out == "tea/cups group 0: ann, ben\ntea/pots group 0: ann, ben\n"
    assert main(["vectors", "confirm"]) == 0
    names = "ann, ben, tea/{0}, zoe"
    told = [f"tea/{name} group 0: {names.format(name)}" for name in ("cups", "pots")]
    assert capsys.readouterr().out.splitlines()[:2] == told
    assert "only_named" not in read(root)

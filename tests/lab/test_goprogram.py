"""Programs that are built once: a name for each version, one build for all who want it, sentences when it fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed
from meetref.lab import goprogram


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goprogram, "CACHE", tmp_path / "cache")


def test_other_sources_are_another_program(tmp_path: Path) -> None:
    source = tmp_path / "some_sfu"
    source.mkdir()
    (source / "main.go").write_text("package main")
    before = goprogram.program_of_source(source)
    assert before.name == "some_sfu"
    assert before.parent.name.startswith("some-sfu-")
    assert goprogram.program_of_source(source) == before
    (source / "main.go").write_text("package main // changed")
    assert goprogram.program_of_source(source) != before


def test_a_published_program_is_known_by_its_version() -> None:
    program = goprogram.program_of_module("github.com/somebody/some-server/cmd/server", "1.2.3")
    assert program.parts[-2:] == ("some-server-1.2.3", "server")


def test_it_is_built_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "cache" / "some-1" / "some"
    count = tmp_path / "count"
    for _ in range(2):
        goprogram.build(program, ["sh", "-c", f"echo built >> {count}; echo it > $GOBIN/some"])
    assert count.read_text() == "built\n"
    assert program.read_text() == "it\n"
    assert capsys.readouterr().err.count("building some-1") == 1


@pytest.mark.parametrize(("script", "why"), [("echo no disk >&2; exit 1", "no disk"), ("true", "cannot be built")])
def test_what_cannot_be_built_is_told(tmp_path: Path, script: str, why: str) -> None:
    with pytest.raises(CommandFailed, match=f"some-1 cannot be built.*{why}|{why}"):
        goprogram.build(tmp_path / "cache" / "some-1" / "some", ["sh", "-c", script])


def test_without_go_only_what_was_built_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "cache" / "some-1" / "some"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert goprogram.why_absent(program) == (
        "some-1 is not built yet, and there is no program go on the PATH (https://go.dev/dl)"
    )
    program.parent.mkdir(parents=True)
    program.touch()
    assert goprogram.why_absent(program) is None

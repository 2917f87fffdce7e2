"""Secrets are written down only where the environment asks for it, and for nobody else to read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed
from meetref.app.keylog import VARIABLE, both, open_key_log


def test_nothing_is_written_where_nobody_asks() -> None:
    for environment in ({}, {VARIABLE: ""}):
        with open_key_log(environment) as write:
            assert write is None


def test_lines_are_added_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    for line in ("CLIENT_RANDOM 01 02", "EXPORTER_SECRET 03 04"):
        with open_key_log({VARIABLE: str(path)}) as write:
            assert write is not None
            write(line)
            assert path.read_text().endswith(f"{line}\n"), "at once: whoever decrypts does so live"
    assert path.read_text().splitlines() == ["CLIENT_RANDOM 01 02", "EXPORTER_SECRET 03 04"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="cannot be written"), open_key_log({VARIABLE: str(tmp_path)}):
        pass


def test_two_logs_are_told_the_same() -> None:
    first: list[str] = []
    second: list[str] = []
    assert both(None, None) is None
    for one in (both(first.append, None), both(None, second.append), both(first.append, second.append)):
        assert one is not None
        one("line")
    assert (first, second) == (["line"] * 2, ["line"] * 2)

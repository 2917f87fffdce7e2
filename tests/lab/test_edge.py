"""The edge in front of a webinar: what is documented is what runs, and its log is read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from meetref.app.command import CommandFailed
from meetref.lab import edge
from meetref.lab.edge import Edge

DOCUMENT = Path(__file__).parents[2] / "docs" / "webinar.md"


def test_what_is_documented_is_what_runs() -> None:
    [documented] = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert documented == edge.DOCUMENTED.read_text()


def test_only_addresses_and_folders_are_changed(tmp_path: Path) -> None:
    adapted = edge._adapted(tmp_path, 4711, "http://127.0.0.1:4712").splitlines()
    written = edge.DOCUMENTED.read_text().splitlines()
    added = [line for line in adapted if line not in written]
    assert len(added) == 5
    assert all(any(word in line for word in ("4711", "4712", str(tmp_path))) for line in added)


def test_the_log_says_who_was_asked(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("MISS 200 /a\nHIT 200 /a\nHIT 200 /a\nMISS 404 /b\nEXPIRED 200 /c\n- 200 /d e\n")
    child: Any = None
    viewers, origin = Edge("", 0, tmp_path, child, log).asked()
    assert viewers == {"/a": 3, "/c": 1, "/d e": 1}
    assert origin == {"/a": 1, "/c": 1, "/d e": 1}


def test_without_nginx_it_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(CommandFailed, match="apt install nginx-light") as failed:
        edge.demand_nginx()
    assert failed.value.code == 127

"""The lab that compares the SRTP engines: every profile, and an engine that fails is no figure."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from meetref.app.command import CommandFailed
from meetref.lab import srtp
from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.srtp import open_session


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    srtp.add_arguments(parser)
    return parser.parse_args(words)


def test_every_profile_has_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(srtp, "PACKETS", 50)
    file = tmp_path / "figures.json"
    assert srtp.run(options("--quick", "--json", str(file))) == 0
    figures = json.loads(file.read_text())["figures"]
    assert len(figures) == 20
    assert all(value >= 0 for value in figures.values())
    assert capsys.readouterr().out.count("SRTP_") == 4


def test_an_engine_that_opens_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srtp, "PACKETS", 5)

    def broken(keys: SRTPKeys, engine: Any) -> Any:
        return _Shut() if engine == "ours" else open_session(keys, engine)

    monkeypatch.setattr("meetref.lab.srtp.open_session", broken)
    with pytest.raises(CommandFailed, match="ours engine"):
        srtp.run(options("--quick"))


class _Shut:
    def lock_run(self, packets: list[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        return [b"".join(parts) for parts in packets]

    def unlock(self, packet: bytes) -> None:
        return None


def test_nonsense_is_refused() -> None:
    with pytest.raises(CommandFailed, match="rounds"):
        srtp.run(options("--rounds", "0"))

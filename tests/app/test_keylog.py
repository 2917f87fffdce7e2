"""Secrets are written down only where the environment asks for it, and for nobody else to read."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
import trio

from meetref.app.cli import main
from meetref.app.command import CommandFailed
from meetref.app.keylog import VARIABLE, both, open_key_log
from tests.app.serving import server_process
from tests.stories.test_meeting import until


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


def test_a_bot_says_in_a_sentence_that_its_key_log_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert main(["bot", "--port", "1"]) == 1
    assert capsys.readouterr().err.startswith(f"meetref: the key log {tmp_path} of {VARIABLE} cannot be written (")


def secrets(path: Path) -> set[str]:
    """The lines of a log that may not be there yet."""
    return set(path.read_text().splitlines()) if path.exists() else set()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_a_bot_and_the_server_write_the_same_secrets(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both as they are started from a shell: a connection up and one down, and each side knows the secrets of both."""
    theirs, ours = tmp_path / "server-keys", tmp_path / "bot-keys"
    label = "CLIENT_RANDOM " if version == "1.2" else "EXPORTER_SECRET "
    monkeypatch.setenv(VARIABLE, str(theirs))
    with trio.fail_after(120):
        async with server_process(tmp_path, "--dtls", version) as server:
            monkeypatch.setenv(VARIABLE, str(ours))
            command = [str(Path(sys.executable).with_name("meetref")), "bot", "--port", str(server.address.port)]
            async with trio.open_nursery() as nursery:
                await nursery.start(trio.run_process, [*command, "--light"])
                await until(lambda: sum(line.startswith(label) for line in secrets(ours)) == 2, 60)
                await until(lambda: secrets(ours) <= secrets(theirs), 60)
                nursery.cancel_scope.cancel()
    assert len({line.split()[1] for line in secrets(theirs)}) == 2
    assert len(secrets(theirs)) == (2 if version == "1.2" else 10)

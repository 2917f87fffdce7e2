"""The composer as a process of its own: what it says, how it may end, and that it dies with whoever called it off."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from meetref.archive.composecommand import NICENESS, Crashed, NoRoom, compose_by_command
from meetref.archive.reading import CannotCompose
from tests.archive import fakecomposer

COMMAND = (sys.executable, "-S", str(Path(fakecomposer.__file__)))


def a_recording(folder: Path, how: str) -> tuple[Path, Path, Path]:
    """Its folder, where the result goes, and its chat."""
    (folder / "recording").mkdir()
    (folder / "recording" / "how").write_text(how)
    (folder / "chat.json").write_text('[{"at": 1.0, "from": "Ada", "text": "hello"}]')
    return folder / "recording", folder / "made", folder / "chat.json"


async def test_it_tells_how_far_it_is_and_leaves_the_processor_to_others(tmp_path: Path) -> None:
    heard: list[float] = []
    folder, into, chat = a_recording(tmp_path, "well")
    await compose_by_command(COMMAND, folder, into, chat, heard.append)
    assert heard == [0.0, 0.25, 0.5, 0.75]
    said = json.loads((into / "index.json").read_text())
    assert said == {"chat": [{"at": 1.0, "from": "Ada", "text": "hello"}], "nice": NICENESS, "session": True}


@pytest.mark.spec("worker/crash")
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("signal", r"was ended by signal 11, without a result\."),
        ("code", r"ended with code 7, without a result \(Traceback: out of luck\)\."),
        ("nothing", r"ended with code 0, without a result\."),
    ],
)
async def test_one_that_ends_without_a_result_has_crashed(tmp_path: Path, how: str, said: str) -> None:
    with pytest.raises(Crashed, match=said):
        await compose_by_command(COMMAND, *a_recording(tmp_path, how), lambda done: None)


@pytest.mark.spec("worker/dead-letter")
async def test_one_that_says_why_it_cannot_be_is_believed(tmp_path: Path) -> None:
    with pytest.raises(CannotCompose, match="Nobody said anything"):
        await compose_by_command(COMMAND, *a_recording(tmp_path, "failed"), lambda done: None)


@pytest.mark.spec("worker/objects-away")
async def test_one_whose_disk_is_full_may_try_again(tmp_path: Path) -> None:
    with pytest.raises(NoRoom, match="The disk is full"):
        await compose_by_command(COMMAND, *a_recording(tmp_path, "full"), lambda done: None)


async def test_a_line_without_an_end_does_no_harm(tmp_path: Path) -> None:
    await compose_by_command(COMMAND, *a_recording(tmp_path, "long line"), lambda done: None)
    assert (tmp_path / "made").is_dir()


@pytest.mark.spec("worker/hang")
async def test_one_that_is_silent_for_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="said nothing"):
        await compose_by_command(COMMAND, *a_recording(tmp_path, "silent"), lambda done: None, silent_for=0.3)


async def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Crashed, match="cannot be started"):
        await compose_by_command(["/nowhere/compose"], *a_recording(tmp_path, "well"), lambda done: None)


async def test_called_off_it_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_COMPOSER_STEP", "600")
    processes: list[trio.Process] = []
    open_process: Callable[..., Awaitable[trio.Process]] = trio.lowlevel.open_process

    async def note(*words: object, **more: object) -> trio.Process:
        processes.append(await open_process(*words, **more))
        return processes[-1]

    monkeypatch.setattr(trio.lowlevel, "open_process", note)
    with trio.CancelScope() as scope:
        await compose_by_command(COMMAND, *a_recording(tmp_path, "well"), lambda done: scope.cancel())
    assert scope.cancelled_caught
    assert [process.returncode for process in processes] == [-9]

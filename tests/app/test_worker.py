"""`meetref worker`: a real process, killed by what it composes, beside a log that another program writes."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
import trio

from meetref.app.cli import main
from meetref.app.worker import Bar
from meetref.archive.kept import read_kept
from meetref.archive.log import open_log
from meetref.archive.objects import open_objects
from tests.app.workers import worker_process
from tests.archive.workshop import ROOM, Shop, name_of, recorded, say

ONE, TWO, THREE = name_of(1), name_of(2), name_of(3)
LIMIT = 90.0  # seconds; a busy machine is slow


@pytest.mark.spec("worker/one-result", "worker/leftovers", "worker/dead-letter")
async def test_killed_with_kill_9_it_is_followed_by_another_and_what_comes_later_is_seen(tmp_path: Path) -> None:
    with trio.fail_after(LIMIT):
        async with open_log(tmp_path / "events.sqlite") as log:
            shop = Shop(tmp_path, log, open_objects(tmp_path / "objects"))
            for name, how in ((ONE, "kill worker at 2"), (TWO, "kill worker at the end"), (THREE, "failed")):
                await recorded(log, shop.recordings, name)
                await trio.Path(shop.recordings / name / "how").write_text(how)
            lives = 0
            while True:
                lives += 1
                async with worker_process("--data", tmp_path) as worker:
                    if await worker.says("Nobody said anything."):
                        last = name_of(4)
                        await recorded(log, shop.recordings, last)
                        assert await worker.says(f"100%  {last}\n")
                        break
            assert lives == 3
            for name in (ONE, TWO, last):
                await shop.check(name)
            assert (await shop.kept(THREE)).state == "failed"


def test_a_folder_without_recordings_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", "--data", str(tmp_path)]) == 1
    assert "--data has to name the folder that the server has" in capsys.readouterr().err


@pytest.mark.spec("worker/again")
def test_one_that_failed_can_be_wanted_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def prepare() -> None:
        async with open_log(tmp_path / "events.sqlite") as log:
            for name in (ONE, TWO, THREE):
                await recorded(log, tmp_path / "recordings", name)
            for name in (ONE, TWO):
                await say(log, name, "failed", trouble="The disk was on fire.")

    async def state(name: str) -> str:
        async with open_log(tmp_path / "events.sqlite") as log:
            return (await read_kept(log, ROOM))[name].state

    def want(name: str) -> tuple[int, str]:
        code = main(["worker", "--data", str(tmp_path), "--again", name])
        said = capsys.readouterr()
        return code, said.out + said.err

    trio.run(prepare)
    shutil.rmtree(tmp_path / "recordings" / TWO)
    assert want(ONE) == (0, f"{ONE} is tried again, by the server or a worker that runs\n")
    assert trio.run(state, ONE) == "waiting"
    for name, said in (
        (ONE, "has not failed: it is waiting"),
        (TWO, "there are no journals of"),
        (THREE, "has not failed"),
        (name_of(4), "knows no recording"),
        ("../etc", "knows no recording"),
    ):
        code, words = want(name)
        assert code == 1
        assert said in words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--objects", "gs://bucket"), "--objects: 'gs://bucket' is neither a folder nor s3://BUCKET/PREFIX"),
        (("--log", "mysql://x"), "--log: "),
    ],
)
def test_what_is_no_place_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "recordings").mkdir()
    assert main(["worker", "--data", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_grows_in_a_terminal_and_has_few_lines_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        bar = Bar(out)
        for step in range(101):
            bar("one", step / 100, None)
            bar("one", step / 100, None)
        bar("two", 0.5, "S3 is away.")
    assert terminal.getvalue().count("\r") == 101
    assert terminal.getvalue().split("\r")[51] == f"[{'#' * 15}{'.' * 15}]  50%  one"
    assert terminal.getvalue().endswith("]  50%  two: S3 is away.\n")
    lines = file.getvalue().splitlines()
    assert len(lines) == 12
    assert (lines[0], lines[10]) == (f"[{'.' * 30}]   0%  one", f"[{'#' * 30}] 100%  one")
    assert lines[11] == f"[{'#' * 15}{'.' * 15}]  50%  two: S3 is away."

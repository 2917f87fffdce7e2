"""`meetref compose`: films from the command line, and what it tells people and programs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from meetref.app.cli import main
from meetref.archive import composer, film
from tests.archive.recorded import BEGAN_AT, Person, Recorded, Source, send_pictures, send_tone, steady


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (composer, film):
        monkeypatch.setattr(module, "WIDTH", 384)
        monkeypatch.setattr(module, "HEIGHT", 216)
    return record(tmp_path / "r", 1.0)


def record(folder: Path, seconds: float) -> Path:
    recorded, ada = Recorded(folder), Person("Ada")
    recorded.join(0.0, ada)
    camera, microphone = Source(ada, 90000, 1, steady()), Source(ada, 48000, 2, steady())
    send_pictures(camera, 0, seconds, lambda at: 100)
    send_tone(microphone, 0, seconds, 440)
    recorded.add("camera", camera)
    recorded.add("microphone", microphone)
    return recorded.write(seconds)


def test_people_are_told_what_there_is(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", str(recording)]) == 0
    assert capsys.readouterr().out == f"{recording / 'film'}: 1.0 s, 1 people, 3 files\n"
    assert (recording / "film" / "film.mp4").stat().st_size > 1000


def test_programs_are_told_how_far_it_is(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chat = tmp_path / "chat.json"
    chat.write_text(json.dumps([{"at": BEGAN_AT + 0.5, "from": "Ada", "text": "hello"}]))
    words = ["compose", str(recording), "--json", "--out", str(tmp_path / "x" / "out"), "--chat", str(chat)]
    assert main([*words, "--layout", "speaker"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"composed": str(tmp_path / "x" / "out"), "duration": 1.0, "files": 4}
    done = [line["done"] for line in lines[:-1]]
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert json.loads((tmp_path / "x" / "out" / "index.json").read_bytes())["layout"] == "speaker"


@pytest.mark.parametrize("as_json", [False, True])
def test_what_cannot_be_composed_is_told_in_a_sentence(
    tmp_path: Path, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compose", str(tmp_path / "nothing"), *(["--json"] if as_json else [])]) == 1
    said = capsys.readouterr()
    sentence = f"{tmp_path / 'nothing'} is no recording: its manifest cannot be read (No such file or directory)."
    if as_json:
        assert json.loads(said.out) == {"failed": sentence}
    else:
        assert said.err == f"meetref: {sentence}\n"


def test_a_chat_that_is_not_there_is_told(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", str(recording), "--chat", str(recording / "none.json"), "--json"]) == 1
    assert "No such file" in json.loads(capsys.readouterr().out)["failed"]
    assert not (recording / "film").exists()


def test_twice_into_one_folder_is_refused(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", str(recording)]) == 0
    before = {path.name: path.read_bytes() for path in (recording / "film").iterdir()}
    assert main(["compose", str(recording)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (recording / "film").iterdir()} == before


@pytest.mark.slow
@pytest.mark.spec("composer/whole-or-nothing")
def test_a_kill_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    recording, out = record(tmp_path / "r", 6.0), tmp_path / "out"
    words = [str(Path(sys.executable).with_name("meetref")), "compose", str(recording), "--out", str(out), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["done"] < 0.3:
            assert not out.exists()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert [path.name.startswith(".out-") for path in tmp_path.iterdir() if path != recording] == [True]
    assert subprocess.run(words, stdout=subprocess.DEVNULL).returncode == 0
    assert (out / "index.json").exists()

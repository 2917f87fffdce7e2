"""`meetref serve`: what keeps it from starting is one sentence with what to do, and nothing is left open."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from meetref.app import serve
from meetref.app import server as server_module
from meetref.app.cli import main
from meetref.app.server import CannotOpen, Settings
from meetref.archive.log import open_log

Refused = Callable[..., tuple[int, str]]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Start a server that cannot start; exit code and sentence."""

    def start(*words: str) -> tuple[int, str]:
        code = main(["serve", "--data", str(tmp_path / "data"), "--bots", "0", *words])
        return code, capsys.readouterr().err

    return start


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--port", "65536"], "--port goes from 0 to 65535"),
        (["--media-port", "-1"], "--media-port goes from 0 to 65535"),
        (["--bots", "-1"], "--bots goes from 0 to 100"),
        (["--bots", "101"], "--bots goes from 0 to 100"),
        (["--announce", "meet.example"], "--announce: not an IP address: 'meet.example'"),
        (["--hide-headers", "--srtp", "libsrtp"], "--srtp libsrtp hides no headers here; choose ours or faster"),
    ],
)
def test_a_wrong_command_line(refused: Refused, words: list[str], sentence: str) -> None:
    assert refused(*words) == (2, f"meetref: {sentence}\n")


def test_a_codec_that_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--video", "vp9,h263"])
    assert ended.value.code == 2
    assert "argument --video: 'h263' is none of av1, h264, vp8, vp9" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["TCP", "UDP"])
def test_a_port_that_somebody_else_has(refused: Refused, kind: str) -> None:
    with socket.socket(type=socket.SOCK_STREAM if kind == "TCP" else socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == "TCP":
            taken.listen()
        number = taken.getsockname()[1]
        code, said = refused(*(["--port"] if kind == "TCP" else ["--port", "0", "--media-port"]), str(number))
    assert code == 1
    assert said.startswith(f"meetref: {kind} port {number} ")
    assert said.endswith("is in use by another program; choose another with --port (PORT= with make)\n")


def test_an_address_that_is_not_ours(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s" * 40)
    words = ["--self-signed", "--room-secret-file", str(tmp_path / "secret"), "--listen", "192.0.2.1"]
    code, said = refused("--port", "0", *words)
    assert code == 1
    assert said.startswith(
        "meetref: TCP port 0 at 192.0.2.1 cannot be opened, it is no address of this machine; `ip address`"
    )


def test_files_that_cannot_be_had(refused: Refused, tmp_path: Path) -> None:
    capture = tmp_path / "nowhere" / "x.pcapng"
    assert refused("--port", "0", "--capture", str(capture)) == (
        1,
        f"meetref: the capture {capture} cannot be written (No such file or directory); name another file\n",
    )
    (tmp_path / "file").touch()
    code, said = refused("--port", "0", "--data", str(tmp_path / "file"))
    assert code == 1
    assert said.startswith(f"meetref: The folder {tmp_path / 'file' / 'objects'} cannot be made: Not a directory")
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "events.sqlite").write_bytes(b"this is no database" * 100)
    code, said = refused("--port", "0")
    assert (code, said.count("\n"), "is not an event log" in said) == (1, 1, True)


@pytest.mark.spec("log/library-missing")
def test_a_log_in_kafka_without_its_library(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    assert refused("--port", "0", "--log", "kafka://127.0.0.1:9092/events") == (
        1,
        "meetref: the event log at kafka://127.0.0.1:9092/events cannot be used: a log in Kafka needs the package "
        "confluent-kafka, which is not installed; say pip install 'meetref[kafka]'\n",
    )


@pytest.mark.spec("log/unavailable-told")
@pytest.mark.parametrize(
    ("server", "why"), [("127.0.0.1:{port}", "Connection refused"), ("nobody.invalid:9092", "Failed to resolve")]
)
def test_a_log_in_kafka_without_its_broker(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, server: str, why: str
) -> None:
    monkeypatch.setattr(server_module, "open_log", partial(open_log, patience=1.0))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"kafka://{server.format(port=closed.getsockname()[1])}/events"
        code, said = refused("--port", "0", "--log", url)
    began = f"meetref: the event log at {url} cannot be used: no Kafka broker at {url[8:-7]} answered within 1 s ("
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(began)
    assert why in said
    assert said.endswith("); see that it runs, and that the name says where\n")


@pytest.mark.parametrize("url", ["events.sqlite", "kafka://host/events", "kafka://host:1/", "kafka://host:1/a b", ""])
def test_a_log_with_a_wrong_name(refused: Refused, url: str) -> None:
    assert refused("--port", "0", "--log", url) == (
        2,
        "meetref: --log: a log in Kafka is named kafka://HOST:PORT/TOPIC; a topic has letters, digits and . _ -\n",
    )


def test_no_socket_is_left(refused: Refused, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(3):
        refused("--port", "0", "--capture", str(tmp_path / "nowhere" / "x"))
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert after <= before


def test_other_errors_are_told_without_their_numbers() -> None:
    assert str(serve._explain(OSError(24, "Too many open files"))) == "the server cannot start: Too many open files"
    assert str(serve._explain(OSError("no route"))) == "the server cannot start: no route"
    refused = CannotOpen("TCP port 80 at 127.0.0.1", PermissionError(13, "Permission denied"))
    assert str(serve._explain(refused)).startswith("TCP port 80 at 127.0.0.1 is not ours to open; ")
    other = CannotOpen("UDP port 80", OSError(97, "Address family not supported"))
    assert str(serve._explain(other)) == "UDP port 80 cannot be opened (Address family not supported)"


@pytest.mark.parametrize(
    ("words", "engine"), [([], None), (["--srtp", "ours"], "ours"), (["--srtp", "libsrtp"], "libsrtp")]
)
def test_who_locks_the_media_is_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], engine: str | None
) -> None:
    seen: list[Settings] = []
    monkeypatch.setattr(serve.trio, "run", lambda stop, serve, network, settings, arguments: seen.append(settings))
    assert main(["serve", "--data", str(tmp_path), *words]) == 0
    assert [settings.srtp_engine for settings in seen] == [engine]


@pytest.mark.parametrize(
    "words", [[], ["--hide-headers"], ["--hide-headers", "--srtp", "ours"]], ids=["no", "yes", "yes, with ours"]
)
def test_hiding_headers_is_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    seen: list[Settings] = []
    monkeypatch.setattr(serve.trio, "run", lambda stop, serve, network, settings, arguments: seen.append(settings))
    assert main(["serve", "--data", str(tmp_path), *words]) == 0
    assert [settings.hides_headers for settings in seen] == [bool(words)]

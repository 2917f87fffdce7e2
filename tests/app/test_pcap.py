"""`meetref pcap decrypt`: a capture in the clear, and a sentence for everything that may be wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meetref.app.cli import main
from meetref.wire.pcapng import Packet, Secrets, parse, serialize
from meetref.wire.udp import parse as parse_packet
from tests.net.test_decrypt import newer_call

CALL = Path(__file__).parent.parent.parent / "vectors" / "sessions" / "whole-call"
SESSION = CALL / "session.pcapng"


def decrypt(source: Path, target: Path, *more: str) -> int:
    return main(["pcap", "decrypt", str(source), str(target), *more])


def test_a_call_is_written_in_the_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "clear.pcapng"
    assert decrypt(SESSION, target) == 0
    assert target.read_bytes() == (CALL / "plain.pcapng").read_bytes()
    count = sum(media(block) for block in parse(SESSION.read_bytes()))
    assert capsys.readouterr() == (f"{count} media packets and 0 of data of 4 conversations opened\n", "")
    assert decrypt(SESSION, target, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"conversations": 4, "opened": count, "data": 0, "refused": 0}


def test_a_call_of_1_3_is_written_in_the_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    blocks, plain = newer_call(lines)
    source, target = tmp_path / "call.pcapng", tmp_path / "clear.pcapng"
    source.write_bytes(serialize([*blocks[:3], Secrets("\n".join(lines).encode()), *blocks[3:]]))
    assert decrypt(source, target) == 0
    assert capsys.readouterr().out == "1 media packets and 0 of data of 1 conversations opened\n"
    packets = [block for block in parse(target.read_bytes()) if isinstance(block, Packet)]
    assert parse_packet(packets[-1].data).data == plain


def test_what_no_key_opens_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = parse(SESSION.read_bytes())
    secrets = next(block for block in blocks if isinstance(block, Secrets))
    lines = secrets.data.splitlines(keepends=True)
    half = [Secrets(b"".join(lines[:1])) if block is secrets else block for block in blocks]
    (tmp_path / "half.pcapng").write_bytes(serialize(half))
    assert decrypt(tmp_path / "half.pcapng", tmp_path / "clear.pcapng") == 0
    said = capsys.readouterr().out
    assert "conversations opened; " in said
    assert "stay locked, no key opens them" in said


def media(block: object) -> bool:
    return isinstance(block, Packet) and 128 <= parse_packet(block.data).data[0] <= 191


def files(folder: Path) -> dict[str, Path]:
    """Captures that cannot be decrypted, each for a reason of its own."""
    blocks = parse(SESSION.read_bytes())
    contents = {
        "no-secrets": serialize(block for block in blocks if not isinstance(block, Secrets)),
        "no-media": serialize(block for block in blocks if not media(block)),
        "no-handshake": serialize(block for block in blocks if not isinstance(block, Packet) or media(block)),
        "cut": SESSION.read_bytes()[:-7],
        "text": b"this is no capture\n",
        "empty": b"",
        "classic": b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(16),
    }
    for name, octets in contents.items():
        (folder / name).write_bytes(octets)
    return {name: folder / name for name in contents} | {"absent": folder / "absent", "folder": folder}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no-secrets", "nothing in {} could be decrypted: it has no secrets of DTLS in it"),
        ("no-media", "nothing in {} could be decrypted: there are no packets of media or data in it"),
        ("no-handshake", "nothing in {} could be decrypted: the handshakes are not in it"),
        ("cut", "{} is no pcapng file that can be read: block: "),
        ("text", "{} is no pcapng file that can be read: a capture file begins with a section"),
        ("empty", "nothing in {} could be decrypted: there are no packets of media or data in it"),
        ("classic", "{} is no pcapng file that can be read: "),
        ("absent", "{} cannot be read (No such file or directory)"),
        ("folder", "{} cannot be read (Is a directory)"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(
    name: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = files(tmp_path)[name]
    assert decrypt(source, tmp_path / "out") == 1
    out, said = capsys.readouterr()
    assert said.startswith(f"meetref: {sentence.format(source)}")
    assert "; " in said, "what to do about it"
    assert (out, said.count("\n")) == ("", 1)
    assert not (tmp_path / "out").exists()


def test_a_capture_is_not_overwritten_by_its_own_contents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "session.pcapng"
    source.write_bytes(SESSION.read_bytes())
    assert decrypt(source, source) == 2
    assert "name another OUT" in capsys.readouterr().err
    assert source.read_bytes() == SESSION.read_bytes()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decrypt(SESSION, tmp_path / "nowhere" / "clear.pcapng") == 1
    assert capsys.readouterr().err.endswith("cannot be written (No such file or directory); name another OUT\n")

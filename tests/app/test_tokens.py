"""Invitations open one room until they expire, and every refusal says why."""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.app import token as token_command
from meetref.app.command import CommandFailed
from meetref.app.tokens import (
    TokenRefused,
    check_token,
    make_admission,
    make_token,
    may_record,
    read_admin_token,
    read_secret,
)
from meetref.meeting.room import NotAdmitted
from meetref.wire.signaling import Join

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1_000_000.0


def refusal(token: str | None, *, room: str = "algebra", name: str = "Ada", now: float = NOW) -> str | None:
    try:
        check_token(SECRET, token, room=room, name=name, now=now)
    except TokenRefused as refused:
        return str(refused)
    return None


def signed(**claims: Any) -> str:
    return jwt.encode(claims, SECRET, algorithm="HS256")


def test_an_invitation_opens_its_room() -> None:
    token = make_token(SECRET, room="algebra", now=NOW, valid_for=60)
    assert refusal(token) is None
    assert refusal(token, name="Bob") is None
    assert "another room" in str(refusal(token, room="geometry"))
    assert "expired" in str(refusal(token, now=NOW + 100))


@pytest.mark.spec("recorder/permission")
def test_only_an_invitation_that_says_so_lets_one_record() -> None:
    def may(token: str | None) -> bool:
        return may_record(SECRET, Join(room="algebra", name="Ada", token=token))

    assert may(make_token(SECRET, room="algebra", now=NOW, valid_for=60, may_record=True))
    assert not may(make_token(SECRET, room="algebra", now=NOW, valid_for=60))
    assert not may(make_token(SECRET[::-1], room="algebra", now=NOW, valid_for=60, may_record=True))
    assert not may(signed(room="algebra", exp=NOW + 60, record="yes"))
    assert not any(may(token) for token in (None, "", "x", "a.b.c"))


def test_an_invitation_for_one_person() -> None:
    token = make_token(SECRET, room="algebra", name="Ada", now=NOW, valid_for=60)
    assert refusal(token) is None
    assert "somebody else" in str(refusal(token, name="Bob"))


def test_what_is_no_invitation() -> None:
    good = make_token(SECRET, room="algebra", now=NOW, valid_for=60)
    head, body, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    other_length = jwt.encode({"room": "algebra", "exp": NOW + 60}, SECRET * 2, algorithm="HS512")
    wrong = [
        "x",
        "a.b.c",
        f"{head}.{body}.",
        f"{none}.{body}.",
        f"{head}.{body}x.{signature}",
        make_token(b"f" * 32, room="algebra", now=NOW, valid_for=60),
        other_length,
        signed(room="algebra"),
        signed(exp=NOW + 60),
        signed(room="algebra", exp=NOW + 60, aud="another service"),
        "." * 4000,
        "\ud800",
    ]
    for token in wrong:
        assert "not one of this server's" in str(refusal(token)), token
    for token in (None, ""):
        assert "needs an invitation" in str(refusal(token))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e400},
        {"exp": 10**400},
        {"nbf": -(10**400)},
        {"exp": [1]},
        {"nbf": NOW + 99},
        {"nbf": {}},
    ],
)
def test_times_that_make_no_sense(claims: dict[str, Any]) -> None:
    assert "no sensible time" in str(refusal(signed(**({"room": "algebra", "exp": NOW + 60} | claims))))


@pytest.mark.parametrize("room", [["algebra"], {"a": 1}, None, 7])
def test_a_room_that_is_no_name(room: object) -> None:
    assert refusal(signed(room=room, exp=NOW + 60)) is not None


@given(st.text(max_size=200))
def test_no_text_raises_anything_else(token: str) -> None:
    assert refusal(token) is not None


def test_rooms_ask_with_their_own_clock() -> None:
    clock = [NOW]
    admit = make_admission(SECRET, lambda: clock[0])
    join = Join(room="algebra", name="Ada", token=make_token(SECRET, room="algebra", now=NOW, valid_for=60))
    admit(join)
    clock[0] += 1000
    with pytest.raises(NotAdmitted, match="expired"):
        admit(join)


def test_a_secret_has_a_length(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with pytest.raises(CommandFailed, match="cannot be read"):
        read_secret(path)
    path.write_bytes(b"short\n")
    with pytest.raises(CommandFailed, match="5 octets"):
        read_secret(path)
    path.write_bytes(SECRET + b"\n")
    assert read_secret(path) == SECRET
    with pytest.raises(ValueError, match="32"):
        make_token(b"short", room="a", now=NOW, valid_for=1)


@pytest.mark.parametrize("secret", [b"\xff" * 40, "ä".encode() * 20, b"two words " * 5, b"a line\r\nX-More: 1" * 3])
def test_an_admin_token_fits_into_a_header(tmp_path: Path, secret: bytes) -> None:
    path = tmp_path / "admin"
    path.write_bytes(secret)
    with pytest.raises(CommandFailed, match="no HTTP header takes"):
        read_admin_token(path)
    path.write_bytes(base64.b64encode(b"s" * 32) + b"\n")
    assert read_admin_token(path) == base64.b64encode(b"s" * 32).decode()


def _run(tmp_path: Path, *words: str) -> int:
    (tmp_path / "secret").write_bytes(SECRET)
    parser = argparse.ArgumentParser()
    token_command.add_arguments(parser)
    return token_command.run(parser.parse_args(["--secret-file", str(tmp_path / "secret"), *words]))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    assert _run(tmp_path, "--room", "algebra", "--valid-for", "2h") == 0
    token = capsys.readouterr().out.strip()
    assert refusal(token, now=NOW + 7000) is None
    assert refusal(token, now=NOW + 7300) is not None
    assert _run(tmp_path, "--room", "algebra", "--name", "Ada B", "--url", "https://meet.example/") == 0
    link = capsys.readouterr().out.strip()
    address, _, token = link.partition("#token=")
    assert address == "https://meet.example/algebra?name=Ada+B", "what is sent to the server, and stands in logs"
    assert refusal(token, name="Ada B", now=NOW) is None
    assert _run(tmp_path, "--room", "algebra", "--json") == 0
    assert json.loads(capsys.readouterr().out)["expires_at"] == NOW + 12 * 3600


@pytest.mark.parametrize(
    "words",
    [
        ["--room", "No Room"],
        ["--room", "a", "--valid-for", "soon"],
        ["--room", "a", "--valid-for", "0"],
        ["--room", "a", "--name", ""],
        ["--room", "a", "--name", "n" * 65],
        ["--room", "a", "--url", "meet.example"],
    ],
)
def test_the_command_line_is_wrong(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(CommandFailed) as failed:
        _run(tmp_path, *words)
    assert failed.value.code == 2


def test_durations() -> None:
    assert [token_command.duration(text) for text in ("90", "5s", "30m", "12h", "7d")] == [90, 5, 1800, 43200, 604800]
    with pytest.raises(CommandFailed):
        token_command.duration("\u0663h")

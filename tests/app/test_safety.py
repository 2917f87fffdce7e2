"""Nobody beyond this machine is let in by accident."""

from __future__ import annotations

import argparse
import ssl
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed, Exit
from meetref.app.safety import Protection, add_safety_arguments, check_safety, is_public, protect
from meetref.app.tokens import make_token
from meetref.meeting.room import NotAdmitted
from meetref.wire.signaling import Join

NOW = 1_900_000_000.0


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", action="append")
    add_safety_arguments(parser)
    return parser.parse_args(words)


def shielded(*words: str) -> Protection:
    return protect(options(*words), ["192.0.2.1", "fe80::1%eth0"], lambda: NOW)


@pytest.mark.parametrize("listen", [[], ["--listen", "127.0.0.1"], ["--listen", "::1", "--listen", "127.0.0.2"]])
def test_loopback_needs_nothing(listen: list[str]) -> None:
    check_safety(options(*listen))
    protection = shielded(*listen)
    assert (protection.is_public, protection.tls, protection.admit) == (False, None, None)
    assert not protection.hosts.allows("evil.example")


@pytest.mark.spec("whip/https")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--listen", "0.0.0.0"], "add TLS .* and a room secret"),
        (["--listen", "::"], "add TLS .* and a room secret"),
        (["--listen", "127.0.0.1", "--listen", "192.0.2.1"], "add TLS"),
        (["--listen", "0.0.0.0", "--self-signed"], "add a room secret"),
        (["--listen", "0.0.0.0", "--room-secret-file", "x"], "add TLS"),
        (["--listen", "::ffff:192.0.2.1"], "add TLS"),
        (["--certificate", "x"], "belong together"),
        (["--key", "x"], "belong together"),
        (["--self-signed", "--certificate", "x", "--key", "x"], "exclude"),
        (["--listen", "localhost"], "not an IP address"),
        (["--host-name", "two words"], "is no name such as"),
        (["--host-name", "meet.example:443"], "is no name such as"),
        (["--host-name", "https://meet.example"], "is no name such as"),
        (["--host-name", "b\u00fccher.example"], "is no name such as"),
        (["--host-name", ""], "is no name such as"),
    ],
)
def test_what_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(CommandFailed, match=sentence) as failed:
        check_safety(options(*words))
    assert failed.value.code == Exit.WRONG_COMMAND_LINE


def test_a_server_for_others(tmp_path: Path) -> None:
    (tmp_path / "room").write_text("r" * 32)
    (tmp_path / "admin").write_text("a" * 32 + "\n")
    files = ["--room-secret-file", str(tmp_path / "room"), "--admin-token-file", str(tmp_path / "admin")]
    protection = shielded("--listen", "0.0.0.0", "--self-signed", *files, "--host-name", "meet.example")
    assert protection.is_public
    assert isinstance(protection.tls, ssl.SSLContext)
    assert protection.admin_token == "a" * 32
    assert protection.hosts.allows("meet.example")
    assert not protection.hosts.allows("evil.example")
    assert protection.admit is not None
    with pytest.raises(NotAdmitted):
        protection.admit(Join(room="algebra", name="Ada"))
    token = make_token(b"r" * 32, room="algebra", now=NOW, valid_for=60)
    protection.admit(Join(room="algebra", name="Ada", token=token))
    assert "a" * 32 not in repr(protection)


def test_names_of_a_server() -> None:
    for name in ("meet.example", "meet.example.", "xn--bcher-kva.example", "m", "2001:db8::1", "192.0.2.7"):
        check_safety(options("--host-name", name))
        assert shielded("--host-name", name).hosts.allows(f"[{name}]" if ":" in name else name)


def test_what_is_public() -> None:
    assert [is_public([host]) for host in ("127.0.0.1", "::1", "0.0.0.0", "::", "10.0.0.1")] == [
        False,
        False,
        True,
        True,
        True,
    ]

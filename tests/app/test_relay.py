"""`meetref relay`: its options, and that what is not safe is not started."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from meetref.app import relay
from meetref.app.command import CommandFailed, Exit
from meetref.app.relayaccounts import JoinedAccounts, read_ports
from meetref.net.network import KernelNetwork
from meetref.protocol.credentials import ExpiringAccounts, FixedAccounts, userhash
from meetref.wire import turn


def settings(*words: str) -> relay.Settings:
    parser = argparse.ArgumentParser()
    relay.add_arguments(parser)
    return relay.read_settings(parser.parse_args(words), KernelNetwork())


def test_defaults_are_for_this_machine_and_closed() -> None:
    chosen = settings("--user", "alice:won:der")
    assert chosen.hosts == ("127.0.0.1",)
    assert (chosen.port, chosen.tls_port, chosen.tls, chosen.allowed) == (3478, 5349, None, ())
    assert chosen.users == {"alice": "won:der"}
    assert (chosen.limits.first_port, chosen.limits.last_port) == (49152, 65535)
    assert chosen.last_channel == turn.LAST_CHANNEL
    assert "won:der" not in repr(chosen)


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 32)
    words = "--listen 127.0.0.1 --listen ::1 --announce 203.0.113.5 --relay-ports 50000-50009 --allow 10.0.0.0/8"
    more = f"--secret-file {secret} --user-quota 3 --total-quota 9 --bandwidth 800 --old-channels --self-signed"
    chosen = settings(*words.split(), *more.split())
    assert chosen.hosts == ("127.0.0.1", "::1")
    assert chosen.outside == {"127.0.0.1": "203.0.113.5"}
    assert chosen.secrets == (b"s" * 32,)
    assert [str(network) for network in chosen.allowed] == ["10.0.0.0/8"]
    limits = chosen.limits
    assert (limits.allocations_per_user, limits.allocations, limits.bytes_per_second) == (3, 9, 100_000)
    assert chosen.tls is not None
    assert chosen.last_channel == turn.LAST_OLD_CHANNEL


def test_any_address_of_a_family_is_every_one_of_them() -> None:
    chosen = settings("--user", "a:b", "--listen", "0.0.0.0")
    assert "127.0.0.1" in chosen.hosts
    assert not any(":" in host for host in chosen.hosts)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--user alice",
        "--user :b",
        "--user a:b --relay-ports 1-2",
        "--user a:b --relay-ports 5000",
        "--user a:b --allow everything",
        "--user a:b --listen localhost",
        "--user a:b --announce here",
        "--user a:b --key FILE",
        "--user a:b --user-quota 0",
        "--user a:b --total-quota -1",
        "--user a:b --bandwidth 0",
    ],
)
def test_what_makes_no_sense_is_refused(words: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        settings(*words.split())
    assert failed.value.code == Exit.WRONG_COMMAND_LINE


def test_accounts_of_both_kinds_are_found() -> None:
    fixed, expiring = FixedAccounts("r", {"alice": "wonder"}), ExpiringAccounts([b"x" * 32], 0.0)
    name, password = expiring.issue("guest", 60.0, 0.0)
    both = JoinedAccounts(fixed, expiring)
    assert list(both.passwords("alice", 0.0)) == ["wonder"]
    assert list(both.passwords(name, 0.0)) == [password]
    assert list(both.passwords(name, 61.0)) == []
    assert both.username(userhash("alice", "r")) == "alice"
    assert not both.hashed  # a hash of an expiring name says nothing to anybody
    assert JoinedAccounts(fixed).hashed


def test_ports_are_read_in_order() -> None:
    assert read_ports("1024-65535") == (1024, 65535)
    with pytest.raises(CommandFailed):
        read_ports("6000-5000")

"""The doctor on the virtual network, and what it says."""

from __future__ import annotations

import json

import pytest
from trio.testing import MockClock

from meetref.app.cli import main
from meetref.app.doctor import Findings, as_json, describe, diagnose
from meetref.net.nat import PORT_RESTRICTED_CONE, no_udp, nothing
from tests.net.relays import NAT_HOST, RELAY_HOST, STUN, TURN, TURN_TCP, place, server


def said(findings: Findings) -> str:
    return "\n".join(describe(findings))


async def test_all_is_well_behind_a_cone(autojump_clock: MockClock) -> None:
    async with place(behaviour=PORT_RESTRICTED_CONE) as scene:
        findings = await diagnose(scene.home, [STUN, TURN])
        assert findings.can_connect
        assert not findings.udp_is_blocked
        words = said(findings)
        assert f"it sees 10.0.0.2 as {NAT_HOST}" in words
        assert f"relayed address: {RELAY_HOST}:" in words
        assert words.endswith("UDP works.\nA meeting could connect: directly or through a relay.")


async def test_blocked_udp_with_a_relay_over_tcp(autojump_clock: MockClock) -> None:
    async with place(policy=no_udp) as scene:
        findings = await diagnose(scene.home, [TURN, TURN_TCP])
        assert findings.udp_is_blocked
        assert findings.can_connect
        words = said(findings)
        assert "over UDP: no answer in 39.5 s" in words
        assert "UDP is blocked" in words
        assert words.endswith("A meeting could connect: through a relay.")


async def test_blocked_udp_without_a_relay(autojump_clock: MockClock) -> None:
    async with place(policy=no_udp) as scene:
        findings = await diagnose(scene.home, [TURN, server(f"turn:{RELAY_HOST}?transport=tcp", "guess")])
        assert findings.udp_is_blocked
        assert not findings.can_connect
        words = said(findings)
        assert "over TCP: this TURN server refused the password" in words
        assert words.endswith("A meeting could not connect from here.")


async def test_a_network_that_lets_nothing_out(autojump_clock: MockClock) -> None:
    async with place(policy=nothing) as scene:
        findings = await diagnose(scene.home, [STUN])
        assert not findings.can_connect
        assert not findings.udp_is_blocked  # nobody knows: no transport worked
        assert "No server answered, over any transport." in said(findings)


async def test_nobody_was_asked(autojump_clock: MockClock) -> None:
    async with place() as scene:
        findings = await diagnose(scene.home, [])
        assert findings.can_connect
        assert said(findings).endswith("A meeting could connect: with others in this network.")


async def test_the_json_says_the_same(autojump_clock: MockClock) -> None:
    async with place() as scene:
        answer = json.loads(json.dumps(as_json(await diagnose(scene.home, [STUN, TURN_TCP]))))
        assert answer["can_connect"] is True
        assert [each["over"] for each in answer["answers"]] == ["udp", "tcp"]
        assert answer["relayed"][0]["address"].startswith(f"{RELAY_HOST}:")
        assert answer["troubles"] == []
        assert answer["nat"]["10.0.0.2"]["behaviour"] == "unknown"


def test_the_command_without_servers(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert code == (0 if answer["default_addresses"] else 1)
    assert answer["can_connect"] is bool(answer["default_addresses"])


def test_the_command_with_a_server_where_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--server", "turn:127.0.0.1:9?transport=tcp", "--user", "a", "--password", "b"])
    out = capsys.readouterr().out
    assert code == 1
    assert "nobody listens there" in out
    assert "A meeting could not connect from here." in out


@pytest.mark.parametrize(
    "words", [["--server", "http://127.0.0.1"], ["--user", "ada"], ["--password", "x", "--server", "stun:127.0.0.1"]]
)
def test_a_wrong_command_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *words]) == 2
    assert "meetref: " in capsys.readouterr().err

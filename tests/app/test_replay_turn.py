"""Driving a TURN server with the vectors: ours on the virtual network, where half an hour is no time, and odd ones."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from meetref.app import relay
from meetref.app.replay.command import Unusable, cases_for, replay
from meetref.app.replay.settings import Settings
from meetref.app.replay.turn import UDP, TurnTarget
from meetref.app.replay.turnclients import Client
from meetref.app.replay.verdict import GONE, Outcome
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import VirtualHost
from meetref.net.virtuallink import Impairments
from meetref.net.virtualsocket import VirtualDatagramSocket
from meetref.protocol.authenticator import Authenticator
from meetref.protocol.relaylimits import Limits
from meetref.wire import turn
from meetref.wire.address import Address

ROOT = Path(__file__).parent.parent.parent
CASES = cases_for(ROOT, ("turn/allocations", "turn/channel-data"))
RELAY = Address("198.51.100.7", 3478)
RELAY_IPV6 = "2001:db8:7::7"
USERS = (("u", "wonder"), ("v", "builder"))
WORLD = (ip_network("203.0.113.0/24"),)
LONG = 4000.0


def case(number: int) -> dict[str, Any]:
    return next(each for each in CASES if each["id"] == f"turn-allocations-{number:04d}")


async def outcomes_against(
    served: dict[str, Any] | None = None, cases: Sequence[dict[str, Any]] = CASES, **told: Any
) -> dict[str, Outcome]:
    """Replay against our relay, which is `served` with these settings; `told` is what the command line says."""
    seed_trio("replay")
    network = VirtualNetwork("replay")
    here, there = network.host("here", "203.0.113.9"), network.host("there", RELAY.host, RELAY_IPV6)
    settings = {"hosts": (RELAY.host, RELAY_IPV6), "users": dict(USERS), "allowed": WORLD, **(served or {})}
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        await nursery.start(relay.serve, there, relay.Settings(**settings))
        found = await _replay(here, cases, Settings(**{"stem": "turn", "target": RELAY, "users": USERS, **told}))
        nursery.cancel_scope.cancel()
    if isinstance(found, Unusable):
        raise found
    return {outcome.id: outcome for outcome in found}


async def _replay(here: VirtualHost, cases: Sequence[dict[str, Any]], settings: Settings) -> list[Outcome] | Unusable:
    target = await TurnTarget.open(here, settings)
    try:
        return await replay(target, [each for each in cases if settings.over == "udp" or "steps" in each])
    except Unusable as unusable:
        return unusable


def differences(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.got for name, outcome in outcomes.items() if outcome.verdict in ("fail", "error")}


def untried(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name[-4:]: outcome.got for name, outcome in outcomes.items() if outcome.verdict == "untried"}


@pytest.mark.parametrize("over", ["udp", "tcp"])
async def test_our_relay_agrees_with_every_case_that_takes_up_to_an_hour(autojump_clock: MockClock, over: str) -> None:
    outcomes = await outcomes_against(time=LONG, over=over)
    assert differences(outcomes) == {}
    assert len(outcomes) == (len(CASES) if over == "udp" else 36)
    why = {
        "0021": "the target has IPv6 addresses to lend",
        "0025": "wants a target with a quota of 2, told by --user-quota 2",
        "0026": "wants a target with a quota of 1, told by --total-quota 1",
        "0035": "wants nonces of the target to grow stale within its allocations' time, told by --nonce-lasts SECONDS",
    }
    if over == "tcp":
        why["0008"] = "is about requests that are sent again, as over UDP"
    assert untried(outcomes) == why


async def test_the_cases_that_need_a_relay_of_a_kind(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "Authenticator", functools.partial(Authenticator, nonce_lasts_for=30.0))
    rows: list[tuple[int, dict[str, Any], dict[str, Any]]] = [
        (21, {"hosts": (RELAY.host,)}, {}),
        (25, {"limits": Limits(allocations_per_user=2)}, {"user_quota": 2}),
        (26, {"limits": Limits(allocations=1)}, {"total_quota": 1}),
        (35, {}, {"nonce_lasts": 30.0, "time": 60.0}),
    ]
    for number, served, told in rows:
        (outcome,) = (await outcomes_against(served, [case(number)], **told)).values()
        assert outcome.verdict == "pass", outcome


async def test_small_quotas_are_respected_by_the_other_cases(autojump_clock: MockClock) -> None:
    limits = Limits(allocations_per_user=2)
    outcomes = await outcomes_against({"limits": limits}, user_quota=2, time=LONG)
    assert differences(outcomes) == {}
    assert set(untried(outcomes)) == {"0021", "0026", "0035", "0036"}
    assert untried(outcomes)["0036"] == "wants 3 addresses at a time"


async def test_a_relay_that_is_not_what_is_told_of_it_differs(autojump_clock: MockClock) -> None:
    everything = {"allowed": (ip_network("0.0.0.0/0"),)}
    told = {"user_quota": 2, "nonce_lasts": 30.0, "time": 60.0}
    outcomes = await outcomes_against(everything, [case(number) for number in (24, 25, 26, 35)], **told)
    assert differences(outcomes) == {
        "turn-allocations-0024": "success to CreatePermission",
        "turn-allocations-0025": "success to Allocate",
        "turn-allocations-0035": "success to Refresh",
    }
    assert outcomes["turn-allocations-0024"].expected == ("error:403",)


async def test_a_relay_that_lends_no_second_address_is_not_asked_about_quotas_at_random(
    autojump_clock: MockClock,
) -> None:
    outcomes = await outcomes_against({"limits": Limits(allocations=1)}, [case(36)], time=LONG)
    assert differences(outcomes) == {"turn-allocations-0036": "error:508 to Allocate"}


async def test_one_account_is_enough_for_most(autojump_clock: MockClock) -> None:
    outcomes = await outcomes_against(users=USERS[:1])
    assert differences(outcomes) == {}
    assert untried(outcomes)["0015"] == "wants a second account, told by another --user"
    assert untried(outcomes)["0036"] == "takes 29 seconds, granted by --time 29"


async def test_names_that_expire_are_made_from_the_secret(autojump_clock: MockClock) -> None:
    outcomes = await outcomes_against({"users": {}, "secrets": (b"secret",)}, users=(), secret=b"secret")
    assert differences(outcomes) == {}
    assert "0015" not in untried(outcomes)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"users": (("u", "guess"),)}, "does not take the password of 'u'"),
        ({"users": (), "secret": b"guess"}, "does not take the password of"),
        ({"target": Address(RELAY.host, 9)}, "does not answer a request for an address"),
        ({"target": Address(RELAY.host, 9), "over": "tcp"}, "cannot be reached"),
    ],
)
async def test_whoever_is_not_let_in_is_told_why(
    autojump_clock: MockClock, told: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Unusable, match=sentence):
        await outcomes_against(**told)


async def test_a_relay_that_dies_is_told_and_not_asked_further(autojump_clock: MockClock) -> None:
    seed_trio("replay")
    network = VirtualNetwork("replay")
    here, there = network.host("here", "203.0.113.9"), network.host("there", RELAY.host)
    settings = relay.Settings(hosts=(RELAY.host,), users=dict(USERS), allowed=WORLD)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        serving = await nursery.start(_serve_until, there, settings)

        class Killer(TurnTarget):
            async def play(self, case: Any) -> Outcome:
                if case["id"].endswith("allocations-0005"):
                    serving.cancel()
                return await super().play(case)

        target = Killer(here, Settings(stem="turn", target=RELAY, users=USERS), "203.0.113.9")
        outcomes = await replay(target, [case(number) for number in range(1, 8)])
        nursery.cancel_scope.cancel()
    assert [outcome.verdict for outcome in outcomes] == ["pass"] * 4 + ["error"] + ["untried"] * 2
    assert outcomes[4].got == GONE
    assert outcomes[4].expected == ("error:420",)


async def _serve_until(
    host: VirtualHost, settings: relay.Settings, *, task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(relay.serve, host, settings)
        task_status.started(nursery.cancel_scope)
        await trio.sleep_forever()


async def test_lost_datagrams_are_no_verdict(autojump_clock: MockClock) -> None:
    seed_trio("loss")
    network = VirtualNetwork("loss")
    here, there = network.host("here", "203.0.113.9"), network.host("there", RELAY.host, RELAY_IPV6)
    settings = relay.Settings(hosts=(RELAY.host, RELAY_IPV6), users=dict(USERS), allowed=WORLD)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        await nursery.start(relay.serve, there, settings)
        network.connect(here, there, Impairments(delay=0.01, loss=0.05))
        found = await _replay(here, CASES, Settings(stem="turn", target=RELAY, users=USERS))
        nursery.cancel_scope.cancel()
    assert isinstance(found, list)
    assert [outcome for outcome in found if outcome.verdict in ("fail", "error")] == []


async def test_a_port_of_somebody_who_has_gone_is_left_for_another(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server remembers who was lost for minutes (437, RFC 8656 section 7.4), and the system may give us that port."""
    seed_trio("replay")
    network = VirtualNetwork("replay")
    here, there = network.host("here", "203.0.113.9"), network.host("there", RELAY.host)
    settings = relay.Settings(hosts=(RELAY.host,), users=dict(USERS), allowed=WORLD)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        await nursery.start(relay.serve, there, settings)
        target = TurnTarget(here, Settings(stem="turn", target=RELAY, users=USERS), "203.0.113.9")
        lost = await here.open_datagram(Address("203.0.113.9", 0))
        await Client(lost, RELAY, here, reliable=False).ask(turn.ALLOCATE, UDP, target.account("bob"), once=False)
        lost.close()
        ports, opened = [lost.local.port + 1, lost.local.port], here.open_datagram

        async def open_datagram(local: Address, *, only_local: bool = False) -> VirtualDatagramSocket:
            return await opened(Address(local.host, ports.pop()), only_local=only_local)

        monkeypatch.setattr(here, "open_datagram", open_datagram)
        outcome = await target.play(case(1))
        nursery.cancel_scope.cancel()
    assert ports == []
    assert outcome.verdict == "pass", outcome

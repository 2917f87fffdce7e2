"""Whose is this datagram? Only an authentic check opens a path, and no path of somebody else is taken."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
import trio
import trio.lowlevel
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from meetref.meeting import exchange as module
from meetref.meeting.exchange import MAXIMUM_PATHS, MAXIMUM_TRANSACTIONS, Exchange, Full
from meetref.meeting.up import Up
from meetref.net.port import Port
from meetref.protocol.ice import Agent, Credentials
from meetref.protocol.machine import Datagram
from meetref.protocol.pair import State
from meetref.protocol.peer import PathOpened, Peer, Remote
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from tests.protocol.dtls_pairs import CERTIFICATES
from tests.protocol.peer_pairs import candidate

LOCAL, ALICE, BOB = Address("192.0.2.1", 8080), Address("192.0.2.7", 1000), Address("192.0.2.8", 2000)


class Socket:
    """Keeps what is sent."""

    local = LOCAL

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Address]] = []

    def send(self, packets: list[bytes], remote: Address) -> None:
        self.sent += [(packet, remote) for packet in packets]


class Scene:
    """An exchange whose port is a list."""

    def __init__(self) -> None:
        self.socket = Socket()
        self.exchange = Exchange(Port([self.socket]))  # type: ignore[list-item]

    def connection(self, seed: int) -> Up:
        dice = random.Random(seed).randbytes
        peer = Peer(controlling=False, certificate=CERTIFICATES["server"], dice=dice, dtls_role="server")
        peer.add_local_candidates([candidate(LOCAL)], 0.0)
        up = Up(peer, f"person-{seed}", dice, lambda: self.exchange.touch(up), self.exchange.arrived)
        return up

    def receive(self, data: bytes, remote: Address) -> list[tuple[bytes, Address]]:
        """What goes out because of one datagram."""
        self.socket.sent.clear()
        self.receive_batch([(data, remote)], trio.current_time())
        return list(self.socket.sent)

    def receive_batch(self, batch: list[tuple[bytes, Address]], now: float) -> None:
        self.exchange.receive([Datagram(data, LOCAL, remote) for data, remote in batch], now)
        self.exchange.finish(now)

    def owner(self, address: Address) -> object:
        return self.exchange._by_address.get(address)

    def ignored(self) -> int:
        return self.exchange.ignored["from nobody we know"]


def check(up: Up, number: int = 1, *, password: str | None = None, ufrag: str | None = None) -> bytes:
    """A connectivity check that names `up`."""
    credentials = up.peer.credentials
    attributes = [
        attribute.Attribute(attribute.USERNAME, f"{ufrag or credentials.ufrag}:them"),
        attribute.Attribute(attribute.PRIORITY, 1 << 24),
        attribute.Attribute(attribute.ICE_CONTROLLING, 5),
    ]
    message = stun.Message(stun.Class.REQUEST, stun.BINDING, number.to_bytes(12), attributes)
    return stun.serialize(message, integrity_key=(password or credentials.password).encode())


async def serving(nursery: trio.Nursery, scene: Scene, *seeds: int) -> list[Up]:
    connections = [scene.connection(seed) for seed in seeds]
    for up in connections:
        await nursery.start(scene.exchange.serve, up, lambda event: None)
    return connections


async def test_a_check_goes_to_whom_it_names_and_opens_the_path(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        first, second = await serving(nursery, scene, 1, 2)
        assert scene.owner(ALICE) is None
        (answer, *_) = scene.receive(check(first), ALICE)
        assert stun.parse(answer[0]).kind is stun.Class.SUCCESS
        assert scene.owner(ALICE) is first
        scene.receive(check(second), BOB)
        assert scene.owner(BOB) is second
        scene.receive(b"\x80\x60" + bytes(20), BOB)
        assert (first.ignored.total(), second.ignored.total()) == (0, 1)
        nursery.cancel_scope.cancel()
    assert (len(scene.exchange), scene.owner(ALICE), scene.owner(BOB)) == (0, None, None)


async def test_a_check_that_is_not_authentic_opens_nothing(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        (up,) = await serving(nursery, scene, 1)
        scene.receive(check(up, password="wrong password of 22 c"), ALICE)
        assert scene.owner(ALICE) is None
        assert not scene.receive(b"\x80\x60" + bytes(20), ALICE)
        assert not scene.receive(b"\x16\xfe\xfd" + bytes(20), ALICE)
        assert scene.ignored() == 2
        assert not scene.receive(check(up, ufrag="nobody"), ALICE)
        assert scene.ignored() == 3
        nursery.cancel_scope.cancel()


async def test_the_path_of_another_connection_cannot_be_stolen(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        victim, thief = await serving(nursery, scene, 1, 2)
        scene.receive(check(victim), ALICE)
        victim.peer.path = (LOCAL, ALICE)
        scene.receive(check(thief), ALICE)  # an authentic check, from a source address that is not the thief's
        assert scene.owner(ALICE) is victim
        assert scene.exchange.ignored["path of another connection"] == 1
        nursery.cancel_scope.cancel()


async def test_a_path_goes_to_who_proved_it_when_its_owner_ends(autojump_clock: MockClock) -> None:
    """A page that is loaded anew may get the port number of the connection that it had before."""
    scene = Scene()
    async with trio.open_nursery() as nursery:
        (new,) = await serving(nursery, scene, 2)
        async with trio.open_nursery() as former:
            (old,) = await serving(former, scene, 1)
            scene.receive(check(old), ALICE)
            old.peer.path = (LOCAL, ALICE)
            scene.receive(check(new), ALICE)
            assert scene.owner(ALICE) is old
            former.cancel_scope.cancel()
        assert scene.owner(ALICE) is new
        nursery.cancel_scope.cancel()
    assert scene.owner(ALICE) is None


async def test_whom_a_timer_touches_has_a_turn_in_the_same_batch(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        waits, touched = await serving(nursery, scene, 1, 2)
        turns: list[str] = []
        deadlines = [math.inf]

        def transmits() -> Iterator[Datagram]:
            turns.append("turn")
            return iter(())

        def handle_timeout(now: float) -> None:
            deadlines[:] = [math.inf]
            scene.exchange.touch(touched)

        monkeypatch.setattr(touched, "transmits", transmits)
        monkeypatch.setattr(waits, "next_timeout", lambda: deadlines[0])
        monkeypatch.setattr(waits, "handle_timeout", handle_timeout)
        deadlines[:] = [trio.current_time()]
        scene.exchange.touch(waits)
        scene.receive_batch([], trio.current_time())
        assert turns, "not only with the next datagram"
        nursery.cancel_scope.cancel()


async def test_a_mistake_in_one_connection_ends_that_one_alone(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        (well,) = await serving(nursery, scene, 1)
        await nursery.start(scene.exchange._clock.run)
        for number, method in enumerate(("receive_datagram", "receive_media", "transmits", "handle_timeout"), 2):
            ill = scene.connection(number)
            failures = await _fails(nursery, scene, ill, method, monkeypatch)
            assert [str(error) for error in failures] == ["a mistake of ours"], method
            assert len(scene.exchange) == 1
            answers = scene.receive(check(well, number), ALICE)
            assert stun.parse(answers[0][0]).kind is stun.Class.SUCCESS
        nursery.cancel_scope.cancel()


async def _fails(
    nursery: trio.Nursery, scene: Scene, ill: Up, method: str, monkeypatch: pytest.MonkeyPatch
) -> list[Exception]:
    """What `serve` raises once `method` of the connection does."""
    failures: list[Exception] = []
    served = trio.Event()

    async def serve(*, task_status: trio.TaskStatus[None]) -> None:
        try:
            await scene.exchange.serve(ill, lambda event: None, task_status=task_status)
        except RuntimeError as error:
            failures.append(error)
        served.set()

    def broken(*arguments: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("a mistake of ours")

    await nursery.start(serve)
    scene.receive(check(ill), BOB)
    monkeypatch.setattr(ill, method, broken)
    if method == "handle_timeout":
        monkeypatch.setattr(ill, "next_timeout", trio.current_time)
    batch = [check(ill, 3), b"\x80\x60" + bytes(20)]
    scene.receive_batch([(data, BOB) for data in batch], trio.current_time())
    with trio.fail_after(10):
        await served.wait()
    return failures


async def test_who_selects_a_path_gets_it_back(autojump_clock: MockClock) -> None:
    """Before anything is selected a forged source address may take it; the answered check decides."""
    scene = Scene()
    async with trio.open_nursery() as nursery:
        victim, thief = await serving(nursery, scene, 1, 2)
        scene.receive(check(victim), ALICE)
        scene.receive(check(thief), ALICE)
        victim.peer.path = (LOCAL, ALICE)
        scene.exchange._open_path(victim, PathOpened(LOCAL, ALICE).remote)
        assert scene.owner(ALICE) is victim
        scene.receive(check(thief, 2), ALICE)
        assert scene.owner(ALICE) is victim
        nursery.cancel_scope.cancel()


async def test_the_paths_of_one_connection_are_bounded_and_the_used_one_stays(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        (up,) = await serving(nursery, scene, 1)
        scene.receive(check(up), ALICE)
        up.peer.path = (LOCAL, ALICE)
        for number in range(60):
            scene.receive(check(up, number + 10), Address("192.0.2.99", 5000 + number))
        assert len(scene.exchange._by_address) <= MAXIMUM_PATHS
        assert scene.owner(ALICE) is up
        nursery.cancel_scope.cancel()


async def test_connections_are_bounded(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAXIMUM_CONNECTIONS", 3)
    scene = Scene()
    async with trio.open_nursery() as nursery:
        await serving(nursery, scene, 1, 2, 3)
        with pytest.raises(Full):
            await scene.exchange.serve(scene.connection(4), lambda event: None)
        assert len(scene.exchange) == 3
        nursery.cancel_scope.cancel()


async def test_answers_are_routed_by_transaction_and_these_are_bounded(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        (up,) = await serving(nursery, scene, 1)
        for number in range(MAXIMUM_TRANSACTIONS + 10):
            scene.exchange._expect_answer(number.to_bytes(12), up)
        assert len(scene.exchange._by_transaction) == MAXIMUM_TRANSACTIONS
        answer = stun.Message(stun.Class.SUCCESS, stun.BINDING, (0).to_bytes(12), [])
        scene.receive(stun.serialize(answer), ALICE)
        assert scene.ignored() == 1, "the oldest ones are forgotten"
        newest = stun.Message(stun.Class.SUCCESS, stun.BINDING, (MAXIMUM_TRANSACTIONS + 9).to_bytes(12), [])
        scene.receive(stun.serialize(newest), ALICE)
        assert scene.ignored() == 1
        scene.receive(stun.serialize(newest), ALICE)
        assert scene.ignored() == 2, "an answer is expected once"
        nursery.cancel_scope.cancel()


async def test_an_answer_with_names_in_it_goes_by_its_transaction(autojump_clock: MockClock) -> None:
    """libnice repeats the USERNAME of the request, which begins with its own ufrag and not with ours."""
    scene = Scene()
    async with trio.open_nursery() as nursery:
        (up,) = await serving(nursery, scene, 1)
        peer = up.peer
        remote = Remote(Credentials("them", "p" * 22), (("sha-256", "00"),), "active")
        peer.set_remote(remote, trio.current_time())
        scene.receive(check(up), ALICE)
        request = next(stun.parse(data) for data, _ in scene.socket.sent if data[:2] == b"\x00\x01")
        named = [
            attribute.Attribute(attribute.XOR_MAPPED_ADDRESS, LOCAL),
            attribute.Attribute(attribute.USERNAME, f"them:{peer.credentials.ufrag}"),
        ]
        answer = stun.Message(stun.Class.SUCCESS, stun.BINDING, request.transaction, named)
        scene.receive(stun.serialize(answer, integrity_key=b"p" * 22), ALICE)
        assert scene.ignored() == 0
        assert isinstance(peer.ice, Agent)
        assert [pair.state for pair in peer.ice._checklist.pairs.values()] == [State.SUCCEEDED]
        nursery.cancel_scope.cancel()


async def test_after_a_restart_the_new_name_counts(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        (up,) = await serving(nursery, scene, 1)
        old = check(up)
        up.peer.restart_ice(trio.current_time())
        scene.exchange.know(up)
        assert not scene.receive(old, ALICE)
        assert scene.receive(check(up, 2), BOB)
        assert (scene.owner(ALICE), scene.owner(BOB)) == (None, up)
        nursery.cancel_scope.cancel()
    assert not scene.exchange._by_ufrag


@settings(max_examples=100)
@given(batch=st.lists(st.tuples(st.binary(max_size=60), st.sampled_from([ALICE, BOB])), max_size=20))
def test_garbage_is_counted_and_answers_nothing(batch: list[tuple[bytes, Address]]) -> None:
    scene = Scene()
    scene.receive_batch(batch, 0.0)
    assert scene.ignored() == len(batch)
    assert not scene.socket.sent
    assert not scene.exchange._by_address


def test_what_was_put_aside_is_taken_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    feedback = Datagram(bytes([0x8F, 205, 0, 4]) + bytes(36), LOCAL, ALICE)
    monkeypatch.setattr(scene.exchange.port, "poll_aside", lambda: [feedback] * 64)
    scene.exchange.read_aside(0.0)
    assert scene.ignored() == module.MAXIMUM_ASIDE
    monkeypatch.setattr(scene.exchange.port, "poll_aside", list)
    scene.exchange.read_aside(0.0)
    assert scene.ignored() == module.MAXIMUM_ASIDE

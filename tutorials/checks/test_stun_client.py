"""Checks a STUN client: tutorial 2. Run with `--module my_client.py`.

Asked for: `Client(local, server, dice)` with `ask_mapping(now)` and the five methods of a machine, the events
`Answered` (which has a `message`) and `Failed`, and `mapped_address(message)`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from meetref.net.driver import drive_socket
from meetref.net.virtual import VirtualNetwork
from meetref.protocol.machine import Datagram
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode

REFERENCE = "meetref.protocol.stun"
ALICE, SERVER = Address("192.0.2.1", 5000), Address("192.0.2.100", 3478)
SEEN = Attribute(attribute.XOR_MAPPED_ADDRESS, Address("198.51.100.7", 51130))
TIMES = [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def client(module: ModuleType, seed: int = 1) -> Any:
    return module.Client(ALICE, SERVER, random.Random(seed).randbytes)


def asked(machine: Any, now: float = 0.0) -> stun.Message:
    """Ask, and read what was sent."""
    machine.ask_mapping(now)
    (datagram,) = machine.transmits()
    assert (datagram.local, datagram.remote) == (ALICE, SERVER)
    return stun.parse(datagram.data)


def answer(question: stun.Message, *attributes: Attribute, kind: stun.Class = stun.Class.SUCCESS) -> bytes:
    return stun.serialize(stun.Message(kind, question.method, question.transaction, list(attributes)))


def names(machine: Any) -> list[str]:
    """The kinds of events, but for those that only tell what was ignored."""
    return [name for event in machine.events() if (name := type(event).__name__) != "Ignored"]


def sendings(machine: Any, until: float) -> Iterator[tuple[float, bytes]]:
    """Let time pass, and give when what was sent."""
    now = 0.0
    for _ in range(100):
        for datagram in machine.transmits():
            yield now, datagram.data
        following = machine.next_timeout()
        if following > until:
            return
        assert following > now or now == 0.0, f"next_timeout() is {following} at {now}: time must move on"
        now = following
        machine.handle_timeout(now)
    pytest.fail("a hundred timeouts, and no end", False)


# --- step 1: the question -----------------------------------------------------------------------------


def test_1_it_is_a_binding_request(module: ModuleType) -> None:
    question = asked(client(module))
    assert (question.kind, question.method) == (stun.Class.REQUEST, stun.BINDING), "RFC 8489 section 6.1"
    assert len(question.transaction) == 12


def test_1_each_question_has_a_transaction_of_its_own(module: ModuleType) -> None:
    machine = client(module)
    first = asked(machine)
    machine.receive_datagram(Datagram(answer(first, SEEN), ALICE, SERVER), 0.1)
    assert asked(machine, 1.0).transaction != first.transaction, "RFC 8489 section 5: chosen by chance for each request"


def test_1_the_dice_decide(module: ModuleType) -> None:
    assert asked(client(module, 1)).transaction == asked(client(module, 1)).transaction
    assert asked(client(module, 1)).transaction != asked(client(module, 2)).transaction


# --- step 2: the schedule -----------------------------------------------------------------------------


def test_2_seven_sendings(module: ModuleType) -> None:
    machine = client(module)
    machine.ask_mapping(0.0)
    sent = list(sendings(machine, 100.0))
    assert [at for at, _ in sent] == TIMES, "RFC 8489 section 6.2.1: each wait is twice the one before"
    assert len({data for _, data in sent}) == 1, "RFC 8489 section 6.2.1: the same octets each time"


def test_2_it_gives_up_after_39_seconds_and_a_half(module: ModuleType) -> None:
    machine = client(module)
    machine.ask_mapping(0.0)
    list(sendings(machine, 39.4))
    assert names(machine) == [], "RFC 8489 section 6.2.1: sixteen first waits after the last sending"
    machine.handle_timeout(39.5)
    assert names(machine) == ["Failed"]
    assert machine.next_timeout() == math.inf


def test_2_who_slept_sends_once_and_no_backlog(module: ModuleType) -> None:
    machine = client(module)
    asked(machine)
    machine.handle_timeout(10.0)
    assert len(list(machine.transmits())) == 1, "ten seconds late, and one sending is due"
    assert machine.next_timeout() > 10.0


def test_2_too_early_is_nothing(module: ModuleType) -> None:
    machine = client(module)
    asked(machine)
    machine.handle_timeout(0.2)
    assert list(machine.transmits()) == []
    assert machine.next_timeout() == 0.5


# --- step 3: answers ----------------------------------------------------------------------------------


def test_3_an_answer(module: ModuleType) -> None:
    machine = client(module)
    machine.receive_datagram(Datagram(answer(asked(machine), SEEN), ALICE, SERVER), 0.1)
    (event,) = machine.events()
    assert type(event).__name__ == "Answered"
    assert module.mapped_address(event.message) == SEEN.value
    assert machine.next_timeout() == math.inf, "an answered question is not sent again"


def test_3_to_any_of_the_sendings(module: ModuleType) -> None:
    machine = client(module)
    question = asked(machine)
    for now in TIMES[1:4]:
        machine.handle_timeout(now)
    machine.receive_datagram(Datagram(answer(question, SEEN), ALICE, SERVER), 5.0)
    assert names(machine) == ["Answered"]


def test_3_what_is_no_answer(module: ModuleType) -> None:
    machine = client(module)
    question = asked(machine)
    other = stun.Message(question.kind, question.method, bytes(12))
    elsewhere = Address("203.0.113.66", 3478)
    for data, source in (
        (answer(other, SEEN), SERVER),
        (answer(question, SEEN), elsewhere),
        (answer(question, SEEN), Address(SERVER.host, 3479)),
        (answer(question, SEEN, kind=stun.Class.REQUEST), SERVER),
        (answer(question, SEEN, kind=stun.Class.INDICATION), SERVER),
        (answer(question, SEEN)[:-1], SERVER),
        (b"", SERVER),
    ):
        machine.receive_datagram(Datagram(data, ALICE, source), 0.1)
    assert names(machine) == [], "RFC 8489 section 6.3: only a response, to this transaction, from this server"
    assert machine.next_timeout() == 0.5, "the question is still open"


def test_3_an_answer_that_says_nothing(module: ModuleType) -> None:
    machine = client(module)
    machine.receive_datagram(Datagram(answer(asked(machine)), ALICE, SERVER), 0.1)
    assert names(machine) == ["Failed"]


def test_3_something_that_must_be_understood(module: ModuleType) -> None:
    machine = client(module)
    odd = answer(asked(machine), SEEN, Attribute(0x7FFE, b"1234"))
    machine.receive_datagram(Datagram(odd, ALICE, SERVER), 0.1)
    assert names(machine) == ["Failed"], "RFC 8489 section 6.3.3: unknown below 0x8000"
    machine = client(module)
    fine = answer(asked(machine), SEEN, Attribute(0xFFFE, b"1234"))
    machine.receive_datagram(Datagram(fine, ALICE, SERVER), 0.1)
    assert names(machine) == ["Answered"], "from 0x8000 up may be skipped"


def test_3_a_refusal(module: ModuleType) -> None:
    machine = client(module)
    refusal = answer(asked(machine), Attribute(attribute.ERROR_CODE, ErrorCode(400, "")), SEEN, kind=stun.Class.ERROR)
    machine.receive_datagram(Datagram(refusal, ALICE, SERVER), 0.1)
    assert names(machine) == ["Failed"]


def test_3_late_and_twice(module: ModuleType) -> None:
    machine = client(module)
    first = answer(asked(machine), SEEN)
    for now in (0.1, 0.2):
        machine.receive_datagram(Datagram(first, ALICE, SERVER), now)
    assert names(machine) == ["Answered"]
    asked(machine, 1.0)
    machine.receive_datagram(Datagram(first, ALICE, SERVER), 1.1)
    assert names(machine) == [], "the answer to the question before"


# --- step 4: whatever comes ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_4_nothing_raises_and_time_moves_on(module: ModuleType, seed: int) -> None:
    dice = random.Random(seed)
    machine = client(module, seed)
    question = asked(machine)
    genuine, now = answer(question, SEEN), 0.0
    for _ in range(200):
        now += dice.random() / 4
        data = bytearray(genuine)
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        machine.receive_datagram(Datagram(bytes(data), ALICE, SERVER), now)
        if machine.next_timeout() <= now:
            machine.handle_timeout(now)
        assert machine.next_timeout() > now
        list(machine.transmits())


def test_4_on_a_network_and_cancelled(module: ModuleType) -> None:
    """The driver runs it; after a cancellation no task is left."""

    async def main() -> int:
        network = VirtualNetwork(1)
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            await nursery.start(network.run)
            host = network.host("alice", ALICE.host)
            machine = client(module)
            machine.ask_mapping(trio.current_time())
            socket = await host.open_datagram(ALICE)
            await nursery.start(drive_socket, machine, socket, lambda event: None)
            await trio.sleep(5.0)
            assert socket.counters.datagrams_out == 4
            nursery.cancel_scope.cancel()
        return trio.lowlevel.current_statistics().tasks_living - before

    assert trio.run(main, clock=MockClock(autojump_threshold=0)) == 0

"""Sockets of the load: many are read in one task, each by its own reader, and one may go while the others stay."""

from __future__ import annotations

import socket
import time

import pytest
import trio

from meetref.lab.leg import HERE, Leg, Legs, find_runs, free_port


async def test_many_legs_are_read_in_one_task(nursery: trio.Nursery) -> None:
    legs, heard = Legs(), list[tuple[int, bytes, int]]()
    all_heard = trio.Event()
    nursery.start_soon(legs.run)
    sockets = [Leg() for _ in range(20)]

    def hear(number: int, data: bytes, stamp: int) -> None:
        heard.append((number, data, stamp))
        if len(heard) == 40:
            all_heard.set()

    for number, leg in enumerate(sockets):
        legs.add(leg, lambda data, stamp, number=number: hear(number, data, stamp))
    for leg in sockets:
        leg.send(b"one", leg.local)
        leg.send(b"two", leg.local)
    with trio.fail_after(10):
        await all_heard.wait()
    assert sorted((number, data) for number, data, _ in heard) == [
        (number, data) for number in range(20) for data in (b"one", b"two")
    ]
    assert all(abs(stamp - time.time_ns()) < 60e9 for _, _, stamp in heard)
    for leg in sockets:
        legs.close(leg)


async def test_one_goes_and_the_others_stay(nursery: trio.Nursery) -> None:
    legs, heard, done = Legs(), list[bytes](), trio.Event()
    nursery.start_soon(legs.run)
    one, other = Leg(), Leg()

    def hear(data: bytes, stamp: int) -> None:
        heard.append(data)
        legs.close(one)  # its datagram was found by the same look; there is nobody left to hear it
        done.set()

    legs.add(one, lambda data, stamp: heard.append(b"never"))
    legs.add(other, hear)
    other.send(b"stays", one.local)
    legs.close(one)
    one.send(b"closed", other.local)
    assert one.lost == 1, "a closed leg sends nothing, and says so"
    other.send(b"heard", other.local)
    with trio.fail_after(10):
        await done.wait()
    assert heard == [b"heard"]
    legs.close(other)


def test_a_free_port_is_free_for_both() -> None:
    port = free_port()
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        stream.bind((HERE, port))
        datagrams.bind((HERE, port))
        assert stream.getsockname() == datagrams.getsockname()


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([], []),
        ([5], [(0, 1, 5)]),
        ([5, 5, 5], [(0, 3, 5)]),
        ([5, 5, 4], [(0, 3, 5)]),
        ([5, 4, 4], [(0, 2, 5), (2, 3, 4)]),
        ([4, 5, 5], [(0, 1, 4), (1, 3, 5)]),
    ],
)
def test_only_the_last_of_a_run_may_be_smaller(sizes: list[int], runs: list[tuple[int, int, int]]) -> None:
    assert find_runs(sizes) == runs

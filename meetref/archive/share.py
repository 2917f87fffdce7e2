"""The entries of all rooms for those who work on them: each entry goes to one member of a group, until it is done.

Two kinds of member, plain calls that block for a moment and must not overlap: of a file, whose group has one member,
and of a topic, where Kafka divides the partitions among as many as there are. What was taken and not committed when its
member ends, by `kill -9` too, is given again; work must bear to be done twice.
Stands on `archive/store` and `archive/tail`, below `archive/log`.
Source: https://kafka.apache.org/documentation/#consumerconfigs for groups and their commits.
Leaves out: what the work is.
Read next: `archive/log.py`.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from meetref.archive.broker import Broker, logger
from meetref.archive.record import read_record
from meetref.archive.store import MAXIMUM_READ, Entry, LogUnavailable, Store
from meetref.archive.tail import WATCH_FOR, Tail

MISSED_AFTER = 10.0  # seconds until what a member had that was killed is given to others


class Member(Protocol):
    """One of a group. Everything raises `LogUnavailable`."""

    waits: bool
    """Whether `take` waits a moment for an entry."""

    def take(self) -> Entry | None: ...
    def stay(self) -> None: ...
    def commit(self) -> None: ...
    def close(self) -> None: ...


class FileMember:
    """The member of a group in a file."""

    waits = False

    def __init__(self, store: Store, group: str) -> None:
        self._store = store
        self._group = group
        self._reached = store.enter(group)
        self._taken: dict[str, int] = {}
        self._page: deque[Entry] = deque()

    def take(self) -> Entry | None:
        """The next entry that nobody committed, or None."""
        if not self._page:
            self._page.extend(self._store.beyond(self._reached, MAXIMUM_READ))
            self._reached.update((entry.room, entry.sequence) for entry in self._page)
        if not self._page:
            return None
        entry = self._page.popleft()
        self._taken[entry.room] = entry.sequence
        return entry

    def stay(self) -> None:
        """There is nobody else."""

    def commit(self) -> None:
        """All that was taken is done."""
        self._store.commit(self._group, self._taken)
        self._taken.clear()

    def close(self) -> None:
        """Leave the group."""
        self._store.leave(self._group)


class TopicMember:
    """A member of a group at a topic."""

    waits = True

    def __init__(self, broker: Broker, tail: Tail, group: str) -> None:
        self._broker = broker
        self._tail = tail
        self._messages: deque[Any] = deque()  # read, and not yet looked at
        self._is_paused = False
        self._taken: dict[int, int] = {}  # partitions, and the offset to go on from
        self._is_deprived = False
        settings = {
            **broker.settings(),
            "group.id": f"{broker.place.topic}.{group}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": round(MISSED_AFTER * 1000),
            # Who comes or goes takes nothing from those at work that they need not give.
            "partition.assignment.strategy": "cooperative-sticky",
        }
        self._consumer = broker.kafka.Consumer(settings, logger=logger)
        self._consumer.subscribe([broker.place.topic], on_revoke=self._revoke, on_lost=self._revoke)

    def take(self) -> Entry | None:
        """The next entry of the partitions that are this member's, or None when there was none for a moment."""
        if not self._messages:
            self._read()
        if not self._messages:
            return None
        message = self._messages[0]
        partition, end = message.partition(), message.offset() + 1
        self._tail.reach({partition: end}, time.monotonic() + self._broker.patience)
        self._tail.check()
        if not self._tail.has(partition, end):
            raise self._broker.unavailable(None)
        self._messages.popleft()
        self._taken[partition] = end
        said = read_record(message.key(), message.value(), message.headers() or (), message.timestamp()[1])
        stored = self._tail.find(said.room, said.kind, said.key) if said is not None else None
        return stored if stored is not None and stored.sequence == end else None  # it may have been said before

    def stay(self) -> None:
        """The work on what was taken goes on. To be said every few seconds: the broker takes who is silent for dead.

        Raises `LogUnavailable` where it was given to another member.
        """
        self._consumer.pause(self._consumer.assignment())
        self._is_paused = True
        self._poll(0.0)
        self._check_deprived()

    def commit(self) -> None:
        """All that was taken is done. Raises `LogUnavailable` too where some of it was given to another member."""
        self._check_deprived()
        if not self._taken:
            return
        at, topic = self._broker.kafka.TopicPartition, self._broker.place.topic
        try:
            # spec: log/shared-again
            self._consumer.commit(offsets=[at(topic, *each) for each in self._taken.items()], asynchronous=False)
        except self._broker.kafka.KafkaException as error:
            raise self._broker.unavailable(error.args[0]) from error
        self._taken.clear()

    def close(self) -> None:
        """Leave the group."""
        with suppress(self._broker.kafka.KafkaException, RuntimeError):
            self._consumer.close()

    def _check_deprived(self) -> None:
        if self._is_deprived:  # spec: log/shared-once
            self._is_deprived = False
            raise LogUnavailable("another member of the group has taken over, and is given what was not committed")

    def _read(self) -> None:
        if self._is_paused:
            self._consumer.resume(self._consumer.assignment())
            self._is_paused = False
        self._poll(WATCH_FOR)

    def _poll(self, timeout: float) -> None:
        message = self._consumer.poll(timeout)
        if message is None:
            return
        if message.error() is None:
            self._messages.append(message)
        elif message.error().fatal():
            raise self._broker.unavailable(message.error())
        else:
            self._broker.hear(message.error())

    def _revoke(self, consumer: Any, partitions: list[Any]) -> None:
        numbers = {each.partition for each in partitions}
        self._is_deprived |= not numbers.isdisjoint(self._taken)
        self._taken = {each: end for each, end in self._taken.items() if each not in numbers}
        self._messages = deque(each for each in self._messages if each.partition() not in numbers)

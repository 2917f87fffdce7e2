"""Reads a Kafka topic from its beginning and stays at its end: what the event log knows without asking the broker.

Stands on `archive/broker` and a temporary `archive/store`, below `archive/kafka`. All of a room is in one partition, so
whoever reads it sees the same order, and of records with the same (room, kind, key) the first one counts, whoever
wrote them. The number of an entry is the offset of its record and one, because a room's numbers begin above 0.
Source: https://kafka.apache.org/documentation/#consumerapi and librdkafka's CONFIGURATION.md.
Leaves out: consumer groups; nobody shares work here, every reader reads all of it.
Read next: `archive/record.py`, `archive/kafka.py`.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import Counter
from contextlib import suppress
from typing import Any

from meetref.archive.broker import Broker, logger
from meetref.archive.record import read_record
from meetref.archive.store import MAXIMUM_SIZE_BYTES, Entry, LogUnavailable, Store, Wanted

MAXIMUM_TAKEN = 1000  # records, and
MAXIMUM_TAKEN_SIZE = 8 * 2**20  # octets, that are read in one go
WATCH_FOR = 0.25  # seconds to wait for a record, so that closing takes no longer


class Tail:
    """What was read so far. Any thread may call; one at a time may `load` or `watch`, which read on."""

    def __init__(self, broker: Broker, ends: dict[int, tuple[int, int]]) -> None:
        """`ends` are the first and the next offset of each partition, as they are now."""
        self.ignored: Counter[str] = Counter()
        """Records that say no entry, by reason."""
        self._broker = broker
        self._errors = broker.kafka.KafkaError
        self._next = {partition: first for partition, (first, _) in ends.items()}
        self._unread = {partition: end for partition, (first, end) in ends.items() if first < end}
        self._progress_at = time.monotonic()
        self._broken: LogUnavailable | None = None
        self._moved = threading.Condition()
        self._viewing = threading.Lock()
        self._view = Store("", maximum_size_bytes=MAXIMUM_SIZE_BYTES, busy_for=0, is_kept=False)
        settings = {
            **broker.settings(),
            "group.id": "meetref",  # demanded, and not used: nothing is subscribed to or committed
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
        }
        self._consumer = broker.kafka.Consumer(settings, logger=logger)
        partition_at, topic = broker.kafka.TopicPartition, broker.place.topic
        self._consumer.assign([partition_at(topic, each, first) for each, first in self._next.items()])

    def partition_of(self, room: str) -> int:
        """All of a room is in one partition, for there alone is an order; chosen as librdkafka itself would."""
        return zlib.crc32(room.encode()) % len(self._next)  # spec: log/one-partition

    def load(self) -> bool:
        """Read some more of what the topic had at first; True when that is all. Raises `LogUnavailable`."""
        if self._unread and self.watch():
            self._progress_at = time.monotonic()
        self.check()
        if self._unread and time.monotonic() > self._progress_at + self._broker.patience:
            raise self._broker.unavailable(None)
        return not self._unread

    def watch(self) -> bool:
        """Wait a moment for new records and take them; whether there was anything new, be it trouble."""
        is_new = self._take()
        with self._moved:
            self._moved.notify_all()
        return is_new

    def reach(self, ends: dict[int, int], deadline: float) -> None:
        """Wait until `watch` has read to the next offset that is wanted of each partition, or in vain."""

        def is_over() -> bool:
            return self._broken is not None or all(self.has(*each) for each in ends.items())

        with self._moved:
            self._moved.wait_for(is_over, max(0.0, deadline - time.monotonic()))

    def has(self, partition: int, end: int) -> bool:
        """Whether everything before the offset `end` was read."""
        return self._next[partition] >= end

    def check(self) -> None:
        """Raises `LogUnavailable` when this can read no more."""
        if self._broken is not None:
            raise LogUnavailable(str(self._broken))

    def read(self, room: str, after: int, limit: int, kind: str | None) -> list[Entry]:
        """As `Store.read`, of what was read so far."""
        with self._viewing:
            return self._view.read(room, after, limit, kind)

    def last(self, room: str, kind: str | None) -> int:
        """As `Store.last`, of what was read so far."""
        with self._viewing:
            return self._view.last(room, kind)

    def find(self, room: str, kind: str, key: str) -> Entry | None:
        """As `Store.find`, of what was read so far."""
        with self._viewing:
            return self._view.find(room, kind, key)

    def close(self) -> None:
        """Let go of the broker, and of what was read. Nobody watches any more."""
        with suppress(self._broker.kafka.KafkaException, RuntimeError):
            self._consumer.close()
        with self._viewing:
            self._view.close()

    def _take(self) -> bool:
        """Wait a moment for a record, and take it and what else has come."""
        if self._broken is not None:
            time.sleep(WATCH_FOR)
            return False
        taken: list[tuple[int, Wanted]] = []
        now_at: dict[int, int] = {}
        count, size, timeout = 0, 0, WATCH_FOR
        try:
            while count < MAXIMUM_TAKEN and size < MAXIMUM_TAKEN_SIZE:
                message = self._consumer.poll(timeout)
                if message is None:
                    break
                timeout = 0.0
                if message.error() is not None:
                    self._note(message.error(), message.partition())
                    continue
                count, size = count + 1, size + len(message)
                now_at[message.partition()] = message.offset() + 1
                taken += self._read(message)
            with self._viewing:
                self._view.put(taken)
        except LogUnavailable as error:
            self._broken = error
            return True
        # spec: log/read-own
        self._next.update(now_at)  # after it is in the view: who waits for it looks there
        self._unread = {partition: end for partition, end in self._unread.items() if not self.has(partition, end)}
        return count > 0

    def _read(self, message: Any) -> list[tuple[int, Wanted]]:
        """The entry and its number, if the record says one."""
        wanted = read_record(message.key(), message.value(), message.headers() or (), message.timestamp()[1])
        if wanted is None:  # spec: log/foreign-records
            self.ignored["not an entry"] += 1
            return []
        if self.partition_of(wanted.room) != message.partition():
            # Its other entries are elsewhere, with numbers that have nothing to do with these.
            raise LogUnavailable(
                f"the topic {self._broker.place.topic} had another number of partitions when it was written, so a "
                "room's numbers would not grow; take a new topic"
            )
        return [(message.offset() + 1, wanted)]

    def _note(self, error: Any, partition: int) -> None:
        """What is no record: the end of a partition, or trouble."""
        if error.code() == self._errors._PARTITION_EOF:
            self._unread.pop(partition, None)  # its last records may be none that are given out
        elif error.fatal() or error.code() == self._errors._AUTO_OFFSET_RESET:
            raise LogUnavailable(f"the topic {self._broker.place.topic} is not what it was ({error.str()})")
        else:
            self._broker.hear(error)

"""The event log's other home: a Kafka topic, plain calls that block, nothing of Trio.

Stands where `archive/store` stands, below `archive/log`, on `archive/tail`. What is appended is acknowledged when all
replicas that are in sync have it (idempotent producer, `acks=all`) *and* it was read back, so that its number is
known, and whether somebody said the same before.
Source: https://kafka.apache.org/documentation/#semantics and librdkafka's CONFIGURATION.md.
Leaves out: transactions; an entry is one record, and repeating it is harmless.
Read next: `archive/tail.py`, `archive/log.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from meetref.archive.broker import Broker, Place, logger
from meetref.archive.record import record_of
from meetref.archive.share import TopicMember
from meetref.archive.store import Entry, LogUnavailable, Wanted
from meetref.archive.tail import Tail

MAXIMUM_QUEUED = 1000  # records that the library holds for the broker


class Topic:
    """An open topic. `append` by one thread at a time, everything else by any."""

    def __init__(self, place: Place, *, patience: float) -> None:
        """Reach the broker, make the topic if need be. Raises `LogUnavailable` after `patience` seconds or so."""
        self._broker = Broker(place, patience=patience)
        self._name = place.topic
        self._patience = patience
        self._producer = self._make_producer()  # it needs a moment before it can send
        self.tail = Tail(self._broker, self._broker.prepare_topic())

    def append(self, batch: Sequence[Wanted]) -> list[Entry | LogUnavailable]:
        """Store all of `batch` and return what is stored, in the same order, or why it is not known to be."""
        self.tail.check()
        deadline = time.monotonic() + self._patience + 1
        sendings = [self._send(wanted) for wanted in batch]
        self._producer.flush(self._patience + 0.5)
        ends: dict[int, int] = {}
        for sending in sendings:
            if sending.end:
                ends[sending.partition] = max(ends.get(sending.partition, 0), sending.end)
        self.tail.reach(ends, deadline)
        outcomes = [self._outcome(sending) for sending in sendings]
        if ends:
            self._broker.forget()
        if any(sending.is_fatal for sending in sendings):
            self._producer = self._make_producer()
        return outcomes

    def read(self, room: str, after: int, limit: int, kind: str | None = None) -> list[Entry]:
        """As `Store.read`, of what came from the broker so far."""
        self.tail.check()
        return self.tail.read(room, after, limit, kind)  # spec: log/read-while-away

    def last(self, room: str, kind: str | None = None) -> int:
        """As `Store.last`, of what came from the broker so far."""
        self.tail.check()
        return self.tail.last(room, kind)

    def member(self, group: str) -> TopicMember:
        """One more of those who share work under this name."""
        return TopicMember(self._broker, self.tail, group)

    def load(self) -> bool:
        """Read some more of what the topic had at first; True when that is all. Raises `LogUnavailable`."""
        return self.tail.load()

    def watch(self) -> bool:
        """Wait a moment for new records, of this server or of others, and take them; whether there was anything new."""
        self._producer.poll(0)  # its troubles are heard here
        return self.tail.watch()

    def close(self) -> None:
        """Let go of the broker. What was acknowledged is already safe."""
        self.tail.close()

    def _make_producer(self) -> Any:
        settings = {
            **self._broker.settings(),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": round(self._patience * 1000),
            "queue.buffering.max.messages": MAXIMUM_QUEUED,
        }
        return self._broker.kafka.Producer(settings, logger=logger)

    def _send(self, wanted: Wanted) -> _Sending:
        """Give it to the library, unless it was said before."""
        known = self.tail.find(wanted.room, wanted.kind, wanted.key)
        sending = _Sending(wanted, self.tail.partition_of(wanted.room), known)
        if known is None:
            record = record_of(wanted)
            try:
                self._producer.produce(
                    self._name,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                    timestamp=record.at_ms,
                    partition=sending.partition,
                    on_delivery=sending.settle,
                )
            except BufferError:  # spec: log/waiting-bounded
                sending.refusal = LogUnavailable(f"{MAXIMUM_QUEUED} records already wait for the broker")
            except self._broker.kafka.KafkaException as error:
                sending.settle(error.args[0], None)
        return sending

    def _outcome(self, sending: _Sending) -> Entry | LogUnavailable:
        if sending.known is not None:
            return sending.known
        if sending.refusal is not None:
            return sending.refusal
        if not sending.end:  # spec: log/unavailable-told
            return self._broker.unavailable(sending.error)
        if not self.tail.has(sending.partition, sending.end):
            return self._broker.unavailable(None)
        # spec: log/stored-once
        stored = self.tail.find(sending.wanted.room, sending.wanted.kind, sending.wanted.key)
        return stored or LogUnavailable("the Kafka broker took it, and gave back something else")


class _Sending:
    """A record on its way to the broker. `end` is the offset after it, once it was acknowledged, else 0."""

    def __init__(self, wanted: Wanted, partition: int, known: Entry | None) -> None:
        self.wanted = wanted
        self.partition = partition
        self.known = known
        self.refusal: LogUnavailable | None = None
        self.error: Any = None
        self.end = 0

    def settle(self, error: Any, message: Any) -> None:
        """The broker has answered, or will not any more."""
        self.error = error
        if error is None:
            self.end = message.offset() + 1

    @property
    def is_fatal(self) -> bool:
        """Whether its producer can send nothing any more."""
        return self.error is not None and bool(self.error.fatal())

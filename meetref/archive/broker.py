"""Where a Kafka topic is, how it is made and checked, and what its brokers' troubles are called in a sentence.

Stands below `archive/tail` and `archive/kafka`, which read and write it. Calls block, for `patience` at most.
Source: https://kafka.apache.org/documentation/#topicconfigs and librdkafka's CONFIGURATION.md.
Leaves out: TLS and passwords to the broker.
Read next: `archive/tail.py`.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import Any

from meetref.archive.store import LogUnavailable
from meetref.wire.reader import Malformed

SCHEME = "kafka://"
PARTITIONS = 8  # of a topic that is made here
TELL_EVERY = 10.0  # seconds between two lines in our log while no broker can be reached
FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}

logger = logging.getLogger("meetref.log")


@dataclass(slots=True, frozen=True)
class Place:
    """Where a topic is. `servers` are brokers to ask first, `HOST:PORT` with commas between them."""

    servers: str
    topic: str


def read_place(url: str) -> Place:
    """Read `kafka://HOST:PORT[,HOST:PORT...]/TOPIC`. Raises `Malformed`."""
    server = r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}"
    found = re.fullmatch(rf"{SCHEME}({server}(?:,{server})*)/([A-Za-z0-9._-]{{1,249}})", url)
    if found is None or found[2] in (".", ".."):
        raise Malformed("a log in Kafka is named kafka://HOST:PORT/TOPIC; a topic has letters, digits and . _ -", 0)
    return Place(found[1], found[2])


class Broker:
    """The brokers of a place, as far as all that speaks to them has it in common. `kafka` is the library."""

    def __init__(self, place: Place, *, patience: float) -> None:
        """Raises `LogUnavailable` where the library is not installed."""
        self.place = place
        self.patience = patience
        self.kafka = _library()
        self._complaint = ""
        self._told_at = -TELL_EVERY

    def settings(self) -> dict[str, object]:
        """What every client of the library is told."""
        return {
            "bootstrap.servers": self.place.servers,
            "error_cb": self.hear,
            "log_level": 2,  # what it would say of each vain attempt to connect, `hear` says now and then
            "reconnect.backoff.max.ms": 1000,
            "socket.keepalive.enable": True,
        }

    def hear(self, error: Any) -> None:
        """Trouble that may pass, a `KafkaError`: the sentence of whatever fails next will name it."""
        if error.code() != self.kafka.KafkaError._ALL_BROKERS_DOWN or not self._complaint:  # why says more
            self._complaint = error.str().partition(" (after ")[0]
        if time.monotonic() >= self._told_at + TELL_EVERY:
            logger.warning("the event log's Kafka broker: %s", self._complaint)
            self._told_at = time.monotonic()

    def forget(self) -> None:
        """It is well again."""
        self._complaint = ""

    def unavailable(self, error: Any, advice: str = "") -> LogUnavailable:
        """A sentence for people. `error` is a `KafkaError`, or None when there was no answer at all."""
        names = self.kafka.KafkaError
        silent = (names._TRANSPORT, names._ALL_BROKERS_DOWN, names._TIMED_OUT, names._MSG_TIMED_OUT, names._RESOLVE)
        if error is None or error.code() in silent:
            detail = self._complaint or (error.str() if error is not None else "no answer")
            within = f"within {self.patience:g} s ({detail})"
            return LogUnavailable(f"no Kafka broker at {self.place.servers} answered {within}{advice}")
        return LogUnavailable(f"the Kafka broker at {self.place.servers} refuses ({error.str()})")

    def prepare_topic(self) -> dict[int, tuple[int, int]]:
        """Make the topic if need be, and see that it forgets nothing; gives the ends of its partitions.

        These are the first offset and the one that the next record will have. Raises `LogUnavailable`.
        """
        from confluent_kafka.admin import AdminClient

        admin = AdminClient(self.settings(), logger=logger)
        deadline = time.monotonic() + self.patience
        already_there = self.kafka.KafkaError.TOPIC_ALREADY_EXISTS
        try:
            refusal = self._make(admin)
            while True:
                try:
                    self._keeps_for_ever(admin)
                    return self._ends(admin)
                except self.kafka.KafkaException as error:
                    # What was just made, or lost its leader just now, is not known to every broker at once.
                    if not self._may_pass(error.args[0]) or time.monotonic() > deadline:
                        raise
                    if refusal is not None and refusal.code() != already_there:
                        raise self.unavailable(refusal) from error
                    time.sleep(0.05)
        except self.kafka.KafkaException as error:
            admin.poll(0)  # hear why
            raise self.unavailable(error.args[0], "; see that it runs, and that the name says where") from error

    def _may_pass(self, error: Any) -> bool:
        names = self.kafka.KafkaError
        elections = (names.NOT_LEADER_FOR_PARTITION, names.LEADER_NOT_AVAILABLE, names.OFFSET_NOT_AVAILABLE)
        epochs = (names.UNKNOWN_LEADER_EPOCH, names.FENCED_LEADER_EPOCH)
        return error.code() in (names.UNKNOWN_TOPIC_OR_PART, *elections, *epochs)

    def _make(self, admin: Any) -> Any:
        """Ask for it; gives back the broker's answer where it is not made: most often, that it is there."""
        from confluent_kafka.admin import NewTopic

        wanted = NewTopic(self.place.topic, num_partitions=PARTITIONS, replication_factor=-1, config=FOR_EVER)
        made = admin.create_topics([wanted], operation_timeout=self.patience, request_timeout=self.patience)
        try:
            made[self.place.topic].result(self.patience + 1)
        except self.kafka.KafkaException as error:
            if error.args[0].code() in (self.kafka.KafkaError._TIMED_OUT, self.kafka.KafkaError._TRANSPORT):
                raise
            return error.args[0]
        return None

    def _ends(self, admin: Any) -> dict[int, tuple[int, int]]:
        topic = admin.list_topics(self.place.topic, timeout=self.patience).topics[self.place.topic]
        if topic.error is not None or not topic.partitions:
            errors = self.kafka.KafkaError
            raise self.kafka.KafkaException(topic.error or errors(errors.LEADER_NOT_AVAILABLE))
        first, end = (self._offsets(admin, list(topic.partitions), earliest) for earliest in (True, False))
        return {partition: (first[partition], end[partition]) for partition in topic.partitions}

    def _offsets(self, admin: Any, partitions: list[int], earliest: bool) -> dict[int, int]:
        from confluent_kafka.admin import OffsetSpec

        which = OffsetSpec.earliest() if earliest else OffsetSpec.latest()
        asked = {self.kafka.TopicPartition(self.place.topic, number): which for number in partitions}
        answers = admin.list_offsets(asked, request_timeout=self.patience)
        return {each.partition: answer.result(self.patience + 1).offset for each, answer in answers.items()}

    def _keeps_for_ever(self, admin: Any) -> None:
        """A topic that forgets would take what was acknowledged; Kafka's own default is to forget after a week."""
        from confluent_kafka.admin import ConfigResource, ResourceType

        asked = ConfigResource(ResourceType.TOPIC, self.place.topic)
        (answer,) = admin.describe_configs([asked], request_timeout=self.patience).values()
        has = {name: entry.value for name, entry in answer.result(self.patience + 1).items()}
        wrong = [f"{name}={has.get(name)}" for name, value in FOR_EVER.items() if has.get(name) != value]
        if wrong:  # spec: log/topic-keeps
            right = " ".join(f"{name}={value}" for name, value in FOR_EVER.items())
            raise LogUnavailable(
                f"the topic {self.place.topic} would lose what is stored in it ({', '.join(wrong)}); configure {right}"
            )


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:  # spec: log/library-missing
        raise LogUnavailable(
            "a log in Kafka needs the package confluent-kafka, which is not installed; say pip install 'meetref[kafka]'"
        ) from error
    return confluent_kafka

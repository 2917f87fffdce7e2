"""The event log in a real Kafka topic, when its broker dies, stands still, is absent, or says what nobody expected.

What it shares with SQLite is tried in tests/archive/test_log_homes.py.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import trio.testing

from meetref.archive import kafka as kafka_module
from meetref.archive.broker import read_place
from meetref.archive.kafka import Topic
from meetref.archive.log import Entry, EventLog, LogUnavailable, open_log
from meetref.archive.store import Wanted
from tests.app.serving import server_process
from tests.app.writers import Disturbing, check, write
from tests.peers.kafkabroker import Broker

pytestmark = pytest.mark.peer("kafka")
KEPT = {"objects", "passes.key", "recordings", "scratch"}
"""What a server has in its folder beside a log that is elsewhere."""
LIMIT = 240.0  # seconds for a whole test: Java starts in some of them
PATIENCE = 2.0  # seconds with a broker that will not answer


@pytest.fixture
def broker(kafka_broker: Broker) -> Broker:
    """Tests may kill and hold it, and leave it running."""
    return kafka_broker


@pytest.fixture
def admin(broker: Broker) -> Any:
    from confluent_kafka.admin import AdminClient

    return AdminClient(broker.settings)


def make_topic(admin: Any, url: str, partitions: int, **config: str) -> None:
    from confluent_kafka.admin import NewTopic

    kept = {"retention.ms": "-1", "retention.bytes": "-1", **{key.replace("_", "."): config[key] for key in config}}
    wanted = NewTopic(read_place(url).topic, num_partitions=partitions, replication_factor=1, config=kept)
    (made,) = admin.create_topics([wanted]).values()
    made.result(30)


def delete_topic(admin: Any, topic: str) -> None:
    """And wait until the broker knows: a busy one goes on taking records that nobody will see."""
    (deleted,) = admin.delete_topics([topic]).values()
    deleted.result(30)
    deadline = time.monotonic() + 30
    while topic in admin.list_topics(timeout=30).topics:
        assert time.monotonic() < deadline, "the topic is still there"
        time.sleep(0.05)


def write_record(broker: Broker, url: str, **record: Any) -> None:
    """A record by somebody else."""
    from confluent_kafka import Producer

    errors: list[object] = []
    producer = Producer(broker.settings)
    producer.produce(read_place(url).topic, on_delivery=lambda error, _: errors.append(error), **record)
    producer.flush(30)
    assert errors == [None]


class Author:
    """Says its messages one after the other, and each again until it is acknowledged."""

    def __init__(self, name: str, log: EventLog, count: int) -> None:
        self.acknowledged: dict[str, Entry] = {}
        self.refusals: list[str] = []
        self._log = log
        self._keys = [f"{name}-{number}" for number in range(count)]

    async def write(self, room: str, said: Callable[[], None]) -> None:
        for key in self._keys:
            while key not in self.acknowledged:
                try:
                    self.acknowledged[key] = await self._log.append(room, "chat", key, {"text": key})
                except LogUnavailable as error:
                    self.refusals.append(str(error))
            said()


@pytest.mark.spec("log/safe-before-acknowledged", "log/stored-once", "log/order", "log/read-own")
@pytest.mark.slow
@pytest.mark.soak(ci=1, full=5)
async def test_what_was_acknowledged_outlives_the_broker(
    broker: Broker, tmp_path: Path, seed: int, pytestconfig: pytest.Config
) -> None:
    """Chat with a whole server whose broker is killed, and at last the server too.

    With `--soak` ten thousand messages a seed, and the broker is ended and held as well.
    """
    soak = bool(pytestconfig.getoption("--soak"))
    messages, harms, limit = (5000, 60, 3600) if soak else (60, 1, LIMIT)
    ways = itertools.cycle(["kill", "hold", "end"] if soak else ["kill"])
    before = broker.starts

    async def harm() -> None:
        way = next(ways)
        if way == "hold":
            disturbing.refused = trio.Event()
            broker.hold()
            with trio.move_on_after(30):  # unless the other one has nothing more to say
                await disturbing.refused.wait()
            await trio.to_thread.run_sync(broker.go_on)
        else:
            await trio.to_thread.run_sync(broker.kill if way == "kill" else broker.end)
            await trio.to_thread.run_sync(broker.start)

    with trio.fail_after(limit):
        async with server_process(tmp_path, "--log", broker.new_url()) as server:
            disturbing = Disturbing(Random(seed), harms, 3 * messages, harm)
            writers = await write(server, messages, disturbing)
            assert broker.starts == before + (harms * 2 // 3 if soak else harms)
            await check(server, writers, messages)
            assert server.starts == 2
            assert not any(writer.breaks for writer in writers)
            assert "meetref.log the event log's Kafka broker: " in server.log
            assert "|FAIL|" not in server.log, "librdkafka speaks on stderr"
        assert sorted(os.listdir(tmp_path)) == ["data", "server.log"]
        assert set(os.listdir(tmp_path / "data")) <= KEPT, "the log is nowhere else"


@pytest.mark.spec("log/unavailable-told", "log/read-while-away", "log/stored-once")
async def test_a_broker_that_stands_still_is_told_and_may_have_stored_it(broker: Broker) -> None:
    with trio.fail_after(LIMIT):
        async with impatient(broker.new_url()) as log:
            first = await first_entry(log)
            broker.hold()
            try:
                with pytest.raises(LogUnavailable, match=r"no Kafka broker at 127\.0\.0\.1:\d+ answered within 2 s"):
                    await log.append("demo", "chat", "second", {})
                assert await log.read("demo") == [first]
                assert await log.append("demo", "chat", first.key, {}) == first
            finally:
                broker.go_on()
            while True:
                try:
                    second = await log.append("demo", "chat", "second", {})
                    break
                except LogUnavailable:
                    pass
            assert await log.read("demo") == [first, second]


@pytest.mark.spec("log/unavailable-told", "log/read-while-away")
async def test_a_broker_that_is_gone_is_told_and_comes_back(broker: Broker) -> None:
    with trio.fail_after(LIMIT):
        url = broker.new_url()
        async with impatient(url) as log:
            first = await first_entry(log)
            await trio.to_thread.run_sync(broker.kill)
            try:
                async with trio.open_nursery() as nursery:
                    for number in range(5):
                        nursery.start_soon(refused, log, str(number))
                assert await log.read("demo") == [first]
                with pytest.raises(LogUnavailable, match="no Kafka broker"):
                    async with open_log(url, patience=PATIENCE):
                        pass
            finally:
                await trio.to_thread.run_sync(broker.start)
            author = Author("again", log, 1)
            await author.write("demo", lambda: None)
            assert (await log.read("demo"))[-1] == author.acknowledged["again-0"]


@asynccontextmanager
async def impatient(url: str) -> AsyncIterator[EventLog]:
    """A log that soon gives up, yet not before it is open: a busy broker may need longer for that."""
    async with AsyncExitStack() as stack:
        while True:
            try:
                log = await stack.enter_async_context(open_log(url, patience=PATIENCE))
                break
            except LogUnavailable:
                pass
        yield log


async def first_entry(log: EventLog) -> Entry:
    """A broker that has just started may need longer for it than for all others."""
    author = Author("first", log, 1)
    await author.write("demo", lambda: None)
    return author.acknowledged["first-0"]


async def refused(log: EventLog, key: str) -> None:
    with pytest.raises(LogUnavailable, match="no Kafka broker"):
        await log.append("demo", "chat", key, {})


@pytest.mark.spec("log/waiting-bounded")
def test_a_full_queue_is_told(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_module, "MAXIMUM_QUEUED", 3)
    place, topic = read_place(broker.new_url()), None
    while topic is None:  # a busy broker may need longer
        with suppress(LogUnavailable):
            topic = Topic(place, patience=PATIENCE)
    try:
        broker.hold()
        try:
            batch = [Wanted("demo", "chat", str(number), b"", False, 0.0) for number in range(6)]
            said = [str(outcome) for outcome in topic.append(batch)]
        finally:
            broker.go_on()
        assert ["no Kafka broker" in each for each in said] == [True, True, True, False, False, False]
        assert said[3:] == ["3 records already wait for the broker"] * 3
    finally:
        topic.close()


@pytest.mark.spec("log/stored-once", "log/follow", "log/order")
async def test_two_servers_say_the_same_at_once_and_see_the_same(broker: Broker) -> None:
    url = broker.new_url()
    heard: list[list[Entry]] = [[], []]

    async def follow(log: EventLog, into: list[Entry], until: str) -> None:
        async with aclosing(log.follow("demo")) as entries:
            async for entry in entries:
                into.append(entry)
                if entry.key == until:
                    return

    with trio.fail_after(LIMIT):
        async with open_log(url) as one, open_log(url) as other, trio.open_nursery() as followers:
            for log, into in zip((one, other), heard, strict=True):
                followers.start_soon(follow, log, into, "last")
            stored: dict[str, set[int]] = {}

            async def say(log: EventLog, key: str) -> None:
                stored.setdefault(key, set()).add((await log.append("demo", "chat", key, {"by": id(log)})).sequence)

            async with trio.open_nursery() as nursery:
                for number in range(100):
                    nursery.start_soon(say, one, str(number))
                    nursery.start_soon(say, other, str(number))
            await one.append("demo", "chat", "last", {})
    assert all(len(numbers) == 1 for numbers in stored.values())
    assert heard[0] == heard[1]
    assert [entry.key for entry in heard[0]][-1] == "last"
    assert len(heard[0]) == len({entry.key for entry in heard[0]}) == 101


@pytest.mark.spec("log/shared", "log/shared-once", "log/shared-stays")
async def test_two_members_divide_the_rooms_and_what_changes_hands_is_told(broker: Broker) -> None:
    url = broker.new_url()

    with trio.fail_after(LIMIT):
        async with open_log(url) as one, open_log(url) as other, one.share("workers") as a:
            for number in range(16):
                await one.append(f"room {number}", "chat", "a", {})
            taken = [await a.take() for _ in range(16)]
            given: list[Entry] = []
            async with other.share("workers") as b, trio.open_nursery() as nursery:

                async def take_over() -> None:
                    while True:
                        given.append(await b.take())

                nursery.start_soon(take_over)

                async def stay() -> None:
                    while True:
                        await a.stay()

                with pytest.raises(LogUnavailable, match="another member"):
                    await stay()
                while not given:
                    await a.stay()
                later = [await one.append(f"room {number}", "chat", "b", {}) for number in range(16)]
                with trio.move_on_after(PATIENCE):
                    while not {entry.room for entry in later} <= {entry.room for entry in given}:
                        await a.commit()
                        given.append(await a.take())
                nursery.cancel_scope.cancel()
    assert {entry.key for entry in given} == {"a", "b"}, "what was taken and not committed is given again"
    assert all(entry in taken for entry in given if entry.key == "a")
    assert sorted(entry.room for entry in given if entry.key == "b") == sorted(entry.room for entry in later)


@pytest.mark.spec("log/shared-stays")
async def test_who_says_that_the_work_goes_on_keeps_it_when_others_come(broker: Broker, admin: Any) -> None:
    url = broker.new_url()
    make_topic(admin, url, 1)
    given: list[Entry] = []
    with trio.fail_after(LIMIT):
        async with open_log(url) as one, open_log(url) as other, one.share("workers") as a:
            first = await one.append("demo", "chat", "a", {})
            assert await a.take() == first
            async with other.share("workers") as b, trio.open_nursery() as nursery:

                async def wait_for_one() -> None:
                    given.append(await b.take())

                nursery.start_soon(wait_for_one)
                home: Any = b._member
                while not home._consumer.memberid() or home._consumer.assignment():
                    await a.stay()
                for _ in range(100):  # whatever its coming brings about
                    await a.stay()
                second = await one.append("demo", "chat", "b", {})
                await a.commit()
                assert await a.take() == second
                await a.commit()
                nursery.cancel_scope.cancel()
    assert given == []


@pytest.mark.spec("log/foreign-records")
async def test_records_that_no_log_wrote_are_ignored_and_counted(broker: Broker) -> None:
    url = broker.new_url()
    with trio.fail_after(LIMIT):
        async with open_log(url) as log:
            first = await log.append("demo", "chat", "a", {})
        for number in range(8):
            write_record(broker, url, key=b"demo", value=b"\xff", partition=number)
        write_record(broker, url, value=None, headers={"kind": b"\xff", "key": b"", "body": b"json"})
        async with open_log(url) as log:
            second = await log.append("demo", "chat", "b", {})
            assert await log.read("demo") == [first, second]
            home: Any = log._home
            assert home.tail.ignored == {"not an entry": 9}


@pytest.mark.spec("log/one-partition")
async def test_a_topic_whose_partitions_were_changed_is_left_alone(broker: Broker, admin: Any) -> None:
    from confluent_kafka.admin import NewPartitions

    url = broker.new_url()
    make_topic(admin, url, 1)
    with trio.fail_after(LIMIT):
        async with open_log(url) as log:
            for number in range(10):
                await log.append(f"room {number}", "chat", "a", {})
        (changed,) = admin.create_partitions([NewPartitions(read_place(url).topic, 5)]).values()
        changed.result(30)
        with pytest.raises(LogUnavailable, match="another number of partitions"):
            async with open_log(url):
                pass


@pytest.mark.spec("log/one-partition")
async def test_all_of_a_room_is_where_librdkafka_would_put_it(broker: Broker) -> None:
    from confluent_kafka import Producer

    places: dict[bytes, int] = {}
    url = broker.new_url()
    with trio.fail_after(LIMIT):
        async with open_log(url) as log:
            home: Any = log._home
            producer = Producer({**broker.settings, "partitioner": "consistent"})
            for number in range(30):
                producer.produce(
                    read_place(url).topic,
                    key=f"room {number}".encode(),
                    on_delivery=lambda _, message: places.update({message.key(): message.partition()}),
                )
            producer.flush(30)
            assert len(set(places.values())) > 1
            assert {room: home.tail.partition_of(room.decode()) for room in places} == places


@pytest.mark.spec("log/topic-keeps")
@pytest.mark.parametrize("config", [{"retention_ms": "604800000"}, {"cleanup_policy": "compact"}])
async def test_a_topic_that_forgets_is_refused(broker: Broker, admin: Any, config: dict[str, str]) -> None:
    url = broker.new_url()
    make_topic(admin, url, 1, **config)
    with pytest.raises(LogUnavailable, match="would lose what is stored in it"):
        async with open_log(url):
            pass


@pytest.mark.spec("log/unavailable-told")
async def test_a_topic_that_is_deleted_meanwhile_is_told(broker: Broker, admin: Any) -> None:
    with trio.fail_after(LIMIT):
        url = broker.new_url()
        async with impatient(url) as log:
            await first_entry(log)
            await trio.to_thread.run_sync(delete_topic, admin, read_place(url).topic)
            with pytest.raises(LogUnavailable, match="broker"):
                await log.append("demo", "chat", "b", {})


async def test_a_producer_that_can_go_on_no_more_is_replaced(broker: Broker) -> None:
    from confluent_kafka import KafkaError, KafkaException

    class Dead:
        def produce(self, *words: object, **options: object) -> None:
            raise KafkaException(KafkaError(KafkaError._FATAL, "fenced", True))

        def flush(self, timeout: float) -> None: ...

        def poll(self, timeout: float) -> None: ...

    with trio.fail_after(LIMIT):
        async with open_log(broker.new_url()) as log:
            home: Any = log._home
            home._producer = Dead()
            with pytest.raises(LogUnavailable, match="refuses"):
                await log.append("demo", "chat", "a", {})
            stored = await log.append("demo", "chat", "a", {})
            assert await log.read("demo") == [stored]

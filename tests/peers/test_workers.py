"""Two real workers in one Kafka group, with a real S3 server: one is killed, S3 is away and comes back.

What one worker does alone is tried in tests/archive/test_worker.py and tests/app/test_worker.py.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from meetref.archive.attempt import insist
from meetref.archive.log import EventLog, LogUnavailable, open_log
from meetref.archive.objects import open_objects
from tests.app.workers import WorkerProcess, worker_process
from tests.archive.workshop import Shop, name_of, record, say
from tests.peers.kafkabroker import Broker
from tests.peers.s3server import S3Server

pytestmark = [pytest.mark.peer("kafka", "versitygw"), pytest.mark.slow]
LIMIT = 400.0  # seconds
COUNT = 12


def names() -> list[str]:
    return [name_of(number, f"room-{number}") for number in range(COUNT)]


@pytest.mark.soak(ci=1, full=20)
@pytest.mark.spec("worker/one-result", "worker/leftovers", "worker/objects-away", "objects/there-when-committed")
async def test_two_share_the_work_and_one_is_killed(
    tmp_path: Path, kafka_broker: Broker, s3_server: S3Server, seed: int, pytestconfig: pytest.Config
) -> None:
    """With `--soak` S3 is slow, too, and the broker is killed, ended or held."""
    dice = Random(seed)
    url, place = kafka_broker.new_url(), s3_server.new_place()
    arguments = ("--data", tmp_path, "--log", url, "--objects", place)
    environment = {**s3_server.environment, "FAKE_COMPOSER_STEP": "0.05"}
    harms, more = [partial(refuse, s3_server)], list[str]()
    if pytestconfig.getoption("--soak"):
        harms += [partial(be_slow, s3_server), partial(lose, kafka_broker, dice.choice(("kill", "end", "hold")))]
        dice.shuffle(harms)
        more = [name_of(number + COUNT, f"room-{number}") for number in range(COUNT)]  # after which all is tidied up
    with trio.fail_after(LIMIT):
        async with open_log(url) as log:
            shop = Shop(tmp_path, log, open_objects(place, environment=s3_server.environment))
            shop.recordings.mkdir()
            async with (
                worker_process(*arguments, environment=environment) as first,
                worker_process(*arguments, environment=environment) as second,
            ):
                workers = (first, second)
                for worker in workers:
                    await worker.says("waiting for recordings")
                deadly = dice.choice(names())
                for name in names():
                    record(shop.recordings, name)
                    if name == deadly:
                        how = dice.choice(("kill worker at 0", "kill worker at 2", "kill worker at the end"))
                        await trio.Path(shop.recordings / name / "how").write_text(how)
                    await say_patiently(shop, name)
                for harm in harms:
                    await finished(workers, dice.randrange(1, COUNT // 2))
                    await harm(workers, log)
                for name in names():
                    await any_says(workers, f"100%  {name}\n")
                assert {worker.process.returncode for worker in workers} == {-9, None}
                for name in more:
                    record(shop.recordings, name)
                    await say_patiently(shop, name)
                for name in more:
                    await any_says(workers, f"100%  {name}\n")
            for name in names():
                await shop.check(name)


Both = tuple[WorkerProcess, WorkerProcess]


async def say_patiently(shop: Shop, name: str) -> None:
    """A broker that is busy, or was just started, may need longer for an entry than a log waits."""
    for what in ("began", "ended"):
        await insist(partial(say, shop.log, name, what, people=["p1", "p2"]))


async def refuse(s3: S3Server, workers: Both, log: EventLog) -> None:
    """S3 is gone until a worker says so."""
    s3.kill()
    await any_says(workers, "cannot be used")
    s3.start()


async def be_slow(s3: S3Server, workers: Both, log: EventLog) -> None:
    """S3 takes seconds for what it is asked."""
    s3.hold()
    await trio.sleep(3.0)
    s3.go_on()


async def lose(broker: Broker, way: str, workers: Both, log: EventLog) -> None:
    """The broker dies, ends or stands still, until something was refused for that."""
    act = {"kill": broker.kill, "end": broker.end, "hold": broker.hold}[way]
    await trio.to_thread.run_sync(act)
    with suppress(LogUnavailable):
        await log.append("elsewhere", "chat", "in the middle", {})
    await trio.to_thread.run_sync(broker.go_on if way == "hold" else broker.start)


async def finished(workers: Both, count: int) -> None:
    """Wait until so many are."""
    async with trio.open_nursery() as nursery:

        async def listen(worker: WorkerProcess) -> None:
            while sum(f"100%  {name}\n" in first.said + second.said for name in names()) < count:
                await worker.news.wait()
            nursery.cancel_scope.cancel()

        first, second = workers
        for worker in workers:
            nursery.start_soon(listen, worker)


async def any_says(workers: Both, words: str) -> None:
    """Wait until one of them does."""
    async with trio.open_nursery() as nursery:

        async def listen(worker: WorkerProcess) -> None:
            if await worker.says(words):
                nursery.cancel_scope.cancel()

        for worker in workers:
            nursery.start_soon(listen, worker)

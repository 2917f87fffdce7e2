"""Two real workers in one Kafka group, with a real S3 server: one is killed, S3 is away and comes back.

What one worker does alone is tried in tests/archive/test_worker.py and tests/app/test_worker.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from meetref.archive.log import open_log
from meetref.archive.objects import open_objects
from tests.app.workers import WorkerProcess, worker_process
from tests.archive.workshop import Shop, name_of, recorded
from tests.peers.kafkabroker import Broker
from tests.peers.s3server import S3Server

pytestmark = [pytest.mark.peer("kafka", "versitygw"), pytest.mark.slow]
LIMIT = 180.0  # seconds
COUNT = 12


def names() -> list[str]:
    return [name_of(number, f"room-{number}") for number in range(COUNT)]


@pytest.mark.spec("worker/one-result", "worker/leftovers", "worker/objects-away", "objects/there-when-committed")
async def test_two_share_the_work_and_one_is_killed(tmp_path: Path, kafka_broker: Broker, s3_server: S3Server) -> None:
    url, place = kafka_broker.new_url(), s3_server.new_place()
    arguments = ("--data", tmp_path, "--log", url, "--objects", place)
    environment = {**s3_server.environment, "FAKE_COMPOSER_STEP": "0.05"}
    with trio.fail_after(LIMIT):
        async with open_log(url) as log:
            shop = Shop(tmp_path, log, open_objects(place, environment=s3_server.environment))
            shop.recordings.mkdir()
            async with (
                worker_process(*arguments, environment=environment) as first,
                worker_process(*arguments, environment=environment) as second,
            ):
                for worker in (first, second):
                    await worker.says("waiting for recordings")
                for number, name in enumerate(names()):
                    await recorded(log, shop.recordings, name)
                    if number == COUNT // 2:
                        await trio.Path(shop.recordings / name / "how").write_text("kill worker at 2")
                await any_says((first, second), "100%")
                s3_server.kill()
                await any_says((first, second), "cannot be used")
                s3_server.start()
                for name in names():
                    await any_says((first, second), f"100%  {name}\n")
                assert {worker.process.returncode for worker in (first, second)} == {-9, None}
            for name in names():
                await shop.check(name)


async def any_says(workers: tuple[WorkerProcess, WorkerProcess], words: str) -> None:
    """Wait until one of them does."""
    async with trio.open_nursery() as nursery:

        async def listen(worker: WorkerProcess) -> None:
            if await worker.says(words):
                nursery.cancel_scope.cancel()

        for worker in workers:
            nursery.start_soon(listen, worker)

"""The whole server dies in mid-conversation, again and again: what was acknowledged is there, once, in order.

Its log is a file, or a topic of a Kafka broker that lives on. With `--soak` ten thousand messages and a hundred kills a
seed.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import trio

from meetref.app.channel import MESSAGES_AT_ONCE, MESSAGES_PER_SECOND
from meetref.app.limits import TokenBucket
from tests.app.serving import server_process
from tests.app.writers import Disturbing, Pace, check, write
from tests.peers.kafkabroker import Broker


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.peer("kafka"))])
def log(request: pytest.FixtureRequest) -> list[str]:
    """What a server is told of where its log is."""
    if request.param == "sqlite":
        return []
    broker: Broker = request.getfixturevalue("kafka_broker")
    return ["--log", broker.new_url()]


@pytest.mark.spec("log/safe-before-acknowledged", "log/stored-once", "log/order")
@pytest.mark.soak(ci=2, full=5)
async def test_what_was_acknowledged_outlives_the_server(
    tmp_path: Path, log: list[str], seed: int, pytestconfig: pytest.Config
) -> None:
    messages, kills, limit = (5000, 100, 3600) if pytestconfig.getoption("--soak") else (40, 3, 120)
    with trio.fail_after(limit):
        async with server_process(tmp_path, *log) as server:

            async def kill() -> None:
                await server.kill()
                await server.start()

            disturbing = Disturbing(Random(seed), kills, 3 * messages, kill)
            writers = await write(server, messages, disturbing)
            assert server.starts == 1 + kills
            await check(server, writers, messages)
            assert all(writer.breaks for writer in writers)
            assert not any(writer.refusals for writer in writers)


def test_a_writer_does_not_end_a_long_silence_with_a_flood() -> None:
    """The server would drop what it does not allow, and nobody would say it again."""
    bucket = TokenBucket(rate=MESSAGES_PER_SECOND, burst=MESSAGES_AT_ONCE, now=0.0)
    pace, now = Pace(), 0.0
    for count in range(2000):
        if count % 500 == 250:
            now += 60.0  # the log is away
        now = max(now, pace.next(now))
        assert bucket.take(now), f"message {count} is dropped"
    assert now > 4 * 60.0 + 20.0

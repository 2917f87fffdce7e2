"""Plays vectors/log against both homes of the event log. Read next: tests/generate/log.py, which makes them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio

from meetref.archive.log import Entry, EventLog, open_log
from tests.peers.kafkabroker import Broker
from tests.vectors.machinesteps import Case, parameters


class Play:
    """One case; names of rooms begin with `prefix`. Names of numbers are bound where they are first given."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.numbers: dict[tuple[str, str], int] = {}

    async def step(self, log: EventLog, step: Case) -> None:
        ((verb, what),) = step["do"].items()
        wanted = step["expect"]
        if verb == "read":
            after = self.numbers[what["room"], what["after"]] if what["after"] is not None else 0
            entries = await log.read(self.prefix + what["room"], after, what["limit"])
            told = [(self.numbers[what["room"], one["number"]], one["key"]) for one in wanted["entries"]]
            assert [(entry.sequence, entry.key) for entry in entries] == told, step
        elif "refused" in wanted:
            with pytest.raises(ValueError, match="characters" if wanted["refused"] == "name" else "octets"):
                await self._append(log, what)
        else:
            entry = await self._append(log, what)
            self._bind(what["room"], entry.sequence, wanted["stored"]["number"])
            assert (entry.key, entry.kind, entry.body) == (what["key"], what["kind"], _body(wanted["stored"]["body"]))

    async def _append(self, log: EventLog, what: Case) -> Entry:
        room = self.prefix + what["room"] if what["room"] else ""
        return await log.append(room, what["kind"], what["key"], _body(what["body"]))

    def _bind(self, room: str, sequence: int, name: str) -> None:
        before = [number for (other, _), number in self.numbers.items() if other == room]
        if (room, name) not in self.numbers:
            assert sequence > max(before, default=0)
        assert self.numbers.setdefault((room, name), sequence) == sequence


def _body(written: Case) -> Any:
    if "zeros" in written:
        return bytes(written["zeros"])
    return bytes.fromhex(written["hex"]) if "hex" in written else written["json"]


async def play(place: str, case: Case, prefix: str = "") -> None:
    played = Play(prefix)
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(place))
        for step in case["steps"]:
            if step.get("event") == "opened-again":
                await stack.aclose()
                log = await stack.enter_async_context(open_log(place))
            else:
                await played.step(log, step)


@pytest.mark.parametrize("case", parameters("log/sequences"))
async def test_sequences(case: Case, tmp_path: Path) -> None:
    await play(str(tmp_path / "log.db"), case)


@pytest.mark.peer("kafka")
async def test_sequences_in_a_topic(kafka_broker: Broker) -> None:
    """All in one, whose rooms share its partitions, and at once, as in a server."""
    place = kafka_broker.new_url()
    async with trio.open_nursery() as nursery:
        for number, case in enumerate(parameters("log/sequences")):
            nursery.start_soon(play, place, case.values[0], f"{number} ")

"""Pion's TURN client against our relay: indications first, then a channel that it binds by itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.peers.gobuild import built
from tests.peers.our_relay import HERE, OurRelay, our_relay

pytestmark = pytest.mark.peer("pion-turn")


@pytest.fixture(scope="module")
def relay() -> Iterator[OurRelay]:
    with our_relay() as running:
        yield running


def test_messages_come_back_through_our_relay(relay: OurRelay) -> None:
    command = [str(built("pion_turnclient")), f"{HERE}:{relay.port}", "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    told = json.loads(done.stdout)
    assert told["mapped"] == told["own"]
    assert told["back"] == told["through"] == 500
    assert told["sources"] == 1
    assert told["relayed"].startswith(f"{HERE}:")

"""A meeting of two bots that come through coturn and nothing else, and what the doctor says of that coturn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from meetref.app.bot import Behaviour, hum_light, show_light
from meetref.app.client import Client, open_client
from meetref.net.network import KernelNetwork
from meetref.net.news import Server
from meetref.wire import signaling, uri
from meetref.wire.address import Address
from tests.peers.coturn import turnserver
from tests.peers.meetings import serve

pytestmark = pytest.mark.peer("coturn")
ACCOUNT = ("-a", "-u", "alice:wonder", "-r", "example.org", "--allow-loopback-peers")
PATIENCE = 30.0  # seconds


async def _stay(
    place: Address, name: str, server: Server, *, task_status: trio.TaskStatus[Client] = trio.TASK_STATUS_IGNORED
) -> None:
    behaviour = Behaviour(name=name, light=True)
    join = signaling.Join(room="algebra", name=name, microphone="on", camera="on")
    async with (
        open_client(KernelNetwork(), place, join, servers=[server], interfaces="none") as client,
        trio.open_nursery() as nursery,
    ):
        await client.publish(["microphone", "camera"])
        nursery.start_soon(show_light, client.senders["camera"], behaviour)
        nursery.start_soon(hum_light, client.senders["microphone"], behaviour)
        task_status.started(client)
        await trio.sleep_forever()


def _sees(client: Client, other: Client) -> bool:
    assert other.identity is not None
    seen = client.seen(other.identity.participant)
    return seen is not None and seen.frames >= 20


@pytest.mark.spec("ice/relayed-candidates")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_bots_meet_through_coturn_only(tmp_path: Path, transport: str) -> None:
    with turnserver(*ACCOUNT) as address:
        server = Server(uri.parse(f"turn:{address.host}:{address.port}?transport={transport}"), "alice", "wonder")
        async with serve(tmp_path) as served, trio.open_nursery() as nursery:
            place = Address("127.0.0.1", int(served.url.rpartition(":")[2]))
            alice: Client = await nursery.start(_stay, place, "Alice", server)
            bob: Client = await nursery.start(_stay, place, "Bob", server)
            with trio.fail_after(PATIENCE):
                while not (_sees(alice, bob) and _sees(bob, alice)):  # noqa: ASYNC110 - media tell nobody that they came
                    await trio.sleep(0.05)
            for client in (alice, bob):
                assert client.up is not None
                assert client.up.peer.ice.selected is not None
                assert client.up.peer.ice.selected.local_candidate.type == "relay"
            nursery.cancel_scope.cancel()


def test_the_doctor_finds_coturn_in_order() -> None:
    with turnserver(*ACCOUNT) as address:
        place = f"turn:{address.host}:{address.port}"
        command = [str(Path(sys.executable).with_name("meetref")), "doctor", "--json"]
        for text, password in ((place, "wonder"), (f"{place}?transport=tcp", "guess")):
            command += ["--server", text, "--user", "alice", "--password", password]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60)
        answer = json.loads(said.stdout)
    assert said.returncode == 0, said.stderr
    assert [each["server"] for each in answer["relayed"]] == [place]
    assert [(each["over"], each["why"]) for each in answer["troubles"]] == [
        ("tcp", "this TURN server refused the password")
    ]
    assert answer["nat"]["127.0.0.1"]["behaviour"] == "no NAT"

"""aioice as the other side of ICE, in a process of its own: prints its half, reads ours, and echoes what it hears.

    python aioice_echo.py controlling|controlled [srflx|relay HOST PORT]

One JSON object a line. Out: its credentials and candidates, then `connected`. In: ours; the end of input ends it.
Started by tests/peers/test_ice_aioice.py; asyncio and trio do not share a process well.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aioice
import aioice.ice


async def main(role: str, kind: str = "host", host: str = "", port: str = "0") -> None:
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    server = (host, int(port))
    more: dict[str, Any] = {}
    if kind == "relay":
        more = {"turn_server": server, "turn_username": "someone", "turn_password": "secret"}
        more["transport_policy"] = aioice.ice.TransportPolicy.RELAY
    elif kind == "srflx":
        more = {"stun_server": server}
    connection = aioice.Connection(ice_controlling=role == "controlling", **more)
    await connection.gather_candidates()
    candidates = [candidate.to_sdp() for candidate in connection.local_candidates]
    if kind == "relay":
        candidates = [text for text in candidates if text.split()[7] == "relay"]
    tell(ufrag=connection.local_username, password=connection.local_password, candidates=candidates)
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    heard = json.loads(await reader.readline())
    connection.remote_username, connection.remote_password = heard["ufrag"], heard["password"]
    for text in heard["candidates"]:
        await connection.add_remote_candidate(aioice.Candidate.from_sdp(text))
    await connection.add_remote_candidate(None)
    await connection.connect()
    tell(connected=True, controlling=connection.ice_controlling)
    echoing = asyncio.create_task(echo(connection))
    await reader.read()
    echoing.cancel()
    await connection.close()


async def echo(connection: aioice.Connection) -> None:
    while True:
        await connection.send(await connection.recv())


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 60))

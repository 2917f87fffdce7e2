"""The relay under measurement, in a process of its own: `python -m meetref.lab.relayserved [PROFILE]`.

It is what `meetref relay --user lab:measure --allow 127.0.0.0/8` runs on loopback. Standard output has two lines of
JSON: its port when it is ready, and what its sockets did when it ends. It ends when standard input does.
Stands on `app/relay`. With the name of a file as argument, a profile (`python -m pstats FILE`) is written there.
Specification: none. Leaves out: options; what is measured is what everybody gets. Read next: `lab/relay.py`.
"""

from __future__ import annotations

import json
import sys
from ipaddress import ip_network
from pathlib import Path

import trio

from meetref.app.relay import Settings, serve
from meetref.lab.leg import HERE
from meetref.lab.lodger import PASSWORD, USER
from meetref.lab.served import run_measured, tell_totals
from meetref.net.network import KernelNetwork
from meetref.protocol.relaylimits import Limits


async def serve_lab() -> None:
    """Relay until standard input ends."""
    settings = Settings(
        hosts=(HERE,),
        port=0,
        users={USER: PASSWORD},
        allowed=(ip_network("127.0.0.0/8"),),
        limits=Limits(allocations_per_user=1000, bytes_per_second=1e9, burst_bytes=1e9),
    )
    async with trio.lowlevel.FdStream(sys.stdin.fileno()) as orders, trio.open_nursery() as nursery:
        server = await nursery.start(serve, KernelNetwork(), settings)
        print(json.dumps({"port": server.port.number}), flush=True)
        while await orders.receive_some(1024):
            pass
        tell_totals([*server.port.sockets.values(), *server.relayed_sockets])
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    run_measured(serve_lab, Path(sys.argv[1]) if len(sys.argv) > 1 else None)

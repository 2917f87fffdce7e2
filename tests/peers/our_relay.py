"""Our relay on loopback in a process of its own, for programs that nobody here wrote.

Stands below tests/peers/test_relay_*.py. Read next: meetref/app/relay.py.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = "127.0.0.1"
PATIENCE = 20.0  # seconds to stop


class OurRelay(NamedTuple):
    """The ports of a running relay; user `u` with password `p` in realm `r`."""

    port: int
    tls_port: int


@contextlib.contextmanager
def our_relay(*options: str) -> Iterator[OurRelay]:
    """Run `meetref relay` until the block ends."""
    port, tls_port = free_ports(2)
    command = [
        str(Path(sys.executable).with_name("meetref")),
        "relay",
        "--user",
        "u:p",
        "--realm",
        "r",
        "--port",
        str(port),
    ]
    command += ["--tls-port", str(tls_port), "--self-signed", "--allow", "127.0.0.0/8", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("meetref relays at"), line
        yield OurRelay(port, tls_port)
        assert process.poll() is None, "the relay ended by itself"
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


def free_ports(count: int) -> list[int]:
    """Numbers that are free for UDP and TCP, in this moment."""
    with contextlib.ExitStack() as stack:
        ports = []
        while len(ports) < count:
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            tcp = stack.enter_context(socket.socket())
            udp.bind((HERE, 0))
            with contextlib.suppress(OSError):
                tcp.bind(udp.getsockname())
                ports.append(int(udp.getsockname()[1]))
        return ports

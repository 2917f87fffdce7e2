"""Pion's TURN server, as a process: `with pion_turn() as address`.

Stands on `tests/peers/gobuild.py`, which builds it from tests/peers/pion_turn.
Read next: `tests/peers/test_turn_pion.py`.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator

from meetref.wire.address import Address
from tests.peers.gobuild import built

HERE = "127.0.0.1"


@contextlib.contextmanager
def pion_turn() -> Iterator[Address]:
    """Run one; gives where it listens."""
    address = Address(HERE, _free_port())
    command = [str(built("pion_turn")), str(address)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield address
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.bind((HERE, 0))
        return int(asker.getsockname()[1])

"""coturn under measurement: its `turnserver` as a child that a lab can ask for its CPU time.

Stands on `lab/child`. Source: turnserver(1); one relay thread, like the one loop of ours; `--no-stdout-log` because
writing lines is not relaying. Leaves out: TLS. Read next: `lab/relay.py`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from meetref.lab.child import Child, open_program
from meetref.lab.leg import HERE, free_port
from meetref.lab.lodger import PASSWORD, USER
from meetref.wire.address import Address

PROGRAM = "turnserver"


def is_there() -> bool:
    """Whether this machine has it."""
    return shutil.which(PROGRAM) is not None


@asynccontextmanager
async def open_coturn() -> AsyncIterator[tuple[Child, Address]]:
    """Run it until the block ends; the child, and where it listens."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="meetref-") as folder:
        command = [PROGRAM, "-n", "-a", "-u", f"{USER}:{PASSWORD}", "-r", "lab", "-m", "1", "--allow-loopback-peers"]
        command += ["--listening-ip", HERE, "--relay-ip", HERE, "--listening-port", str(port)]
        command += ["--no-tls", "--no-dtls", "--no-cli", "--no-stdout-log", "--simple-log"]
        for option, name in (("--pidfile", "pid"), ("--userdb", "db"), ("--log-file", "log")):
            command += [option, str(Path(folder) / name)]
        async with open_program("coturn", command, by_signal=True, folder=Path(folder)) as child:
            yield child, Address(HERE, port)

"""coturn under measurement: its `turnserver` as a child that a lab can ask for its CPU time.

Stands on `lab/child`. Source: turnserver(1); one relay thread, like the one loop of ours; `--no-stdout-log` because
writing lines is not relaying. Leaves out: TLS. Read next: `lab/relay.py`.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from meetref.lab.child import DONE_WITHIN, Child
from meetref.lab.leg import HERE
from meetref.lab.lodger import PASSWORD, USER
from meetref.wire.address import Address

PROGRAM = "turnserver"


def is_there() -> bool:
    """Whether this machine has it."""
    return shutil.which(PROGRAM) is not None


@asynccontextmanager
async def open_coturn() -> AsyncIterator[tuple[Child, Address]]:
    """Run it until the block ends; the child, and where it listens."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="meetref-") as folder:
        command = [PROGRAM, "-n", "-a", "-u", f"{USER}:{PASSWORD}", "-r", "lab", "-m", "1", "--allow-loopback-peers"]
        command += ["--listening-ip", HERE, "--relay-ip", HERE, "--listening-port", str(port)]
        command += ["--no-tls", "--no-dtls", "--no-cli", "--no-stdout-log", "--simple-log"]
        for option, name in (("--pidfile", "pid"), ("--userdb", "db"), ("--log-file", "log")):
            command += [option, str(Path(folder) / name)]
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=folder,
        )
        try:
            yield Child("coturn", process, by_signal=True), Address(HERE, port)
        finally:
            with trio.CancelScope(shield=True):
                process.terminate()
                with trio.move_on_after(DONE_WITHIN):
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                assert process.stdin is not None
                assert process.stdout is not None
                await process.stdin.aclose()
                await process.stdout.aclose()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
        return port

"""coturn on loopback: the STUN and TURN server that most of the world runs, and its way to be started and stopped.

Stands below the peer tests and `tests/confirm/stun.py`; needs nothing of ours but an address.
Read next: tests/peers/test_stun_coturn.py.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from meetref.wire.address import Address

READY = "(admin thread)"  # the last of its threads to report
PATIENCE = 20.0  # seconds for it to start or to stop


def version() -> str | None:
    """What `turnserver --version` says, such as 4.6.1; None where there is none."""
    try:
        said = subprocess.run(
            ["turnserver", "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except FileNotFoundError:
        return None
    found = re.search(r"\d+\.\d+[.\d]*", said.stdout.splitlines()[-1] if said.stdout else "")
    return found[0] if found else None


@contextlib.contextmanager
def turnserver(*options: str, tls: tuple[Path, Path] | None = None) -> Iterator[Address]:
    """Run one with these options; gives where it listens, over UDP, TCP and, with a certificate and its key, TLS."""
    address = Address("127.0.0.1", _free_port())
    with tempfile.TemporaryDirectory() as folder:
        command = ["turnserver", "-n", "-L", address.host, "-p", str(address.port), "--no-cli", "--no-dtls"]
        command += ["--no-tls"] if tls is None else ["--cert", str(tls[0]), "--pkey", str(tls[1])]
        command += [] if tls is None else ["--tls-listening-port", str(_free_port())]
        command += ["-l", "stdout", "--simple-log", "--pidfile", str(Path(folder) / "pid"), *options]
        command += ["-b", str(Path(folder) / "users"), "--no-rfc5780"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            assert process.stdout is not None
            _wait_until_ready(process.stdout)
            # It says much, and stands still once nobody listens.
            listener = threading.Thread(target=process.stdout.read, daemon=True)
            listener.start()
            try:
                yield address
            finally:
                process.terminate()
                listener.join(PATIENCE)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)
            assert process.stdout is not None
            process.stdout.close()


def _wait_until_ready(output: IO[str]) -> None:
    said = []
    for line in output:
        said.append(line)
        if READY in line:
            return
    raise RuntimeError("turnserver did not start:\n" + "".join(said[-20:]))


def _free_port() -> int:
    """A number that is free for UDP and TCP, in this moment."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                tcp.bind(udp.getsockname())
                number: int = udp.getsockname()[1]
                return number

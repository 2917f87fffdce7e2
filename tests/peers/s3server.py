"""A real S3 server on loopback (versitygw), whose objects are files in a folder: started, held still and killed.

Stands below the tests of objects; the program is built once by tests/peers/native.py.
Source: https://github.com/versity/versitygw.
Read next: tests/archive/test_objects.py.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.peers.native import NATIVES

ACCESS_KEY = "tests-access"
SECRET_KEY = "tests-secret-key"
PATIENCE = 30.0  # seconds


class S3Server:
    """`endpoint` stays the same when it is killed and started anew. `environment` is what a client is told."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        self.endpoint = f"http://{self._address}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        self._folder = folder
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [str(NATIVES["versitygw"].path()), "--port", self._address, "--health", "/health"]
        command += ["--keep-alive", "--quiet", "posix", str(self._folder)]
        secrets = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        with (self._folder.parent / "s3.log").open("ab") as log:
            self._process = subprocess.Popen(command, env={**os.environ, **secrets}, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline

    def new_place(self) -> str:
        """A bucket that nobody has used yet, and a prefix in it."""
        bucket = f"bucket-{next(self._numbers)}"
        (self._folder / bucket).mkdir()
        return f"s3://{bucket}/recordings"

    def kill(self) -> None:
        """SIGKILL: connections are refused from now on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def hold(self) -> None:
        """It takes connections and says nothing, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, urllib.error.URLError):
            return bool(urllib.request.urlopen(f"{self.endpoint}/health", timeout=1).status == 200)
        return False


@contextlib.contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """A server whose buckets are folders in `folder`, until the block ends."""
    (folder / "buckets").mkdir()
    server = S3Server(folder / "buckets")
    try:
        server.start()
        yield server
    finally:
        server.kill()

"""A Kafka broker of one node on loopback, with a folder of its own: started, held still, killed and started again.

Stands below the tests of the event log; what it runs is fetched once by tests/peers/native.py.
Source: https://kafka.apache.org/documentation/#brokerconfigs; the settings are in tests/peers/native/kafka.
Leaves out: more than one node.
Read next: tests/archive/test_log_homes.py, tests/peers/test_kafka.py.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.peers.native import NATIVES, SOURCES

CLUSTER = "bWVldHJlZi10ZXN0LWtmaw"  # any 16 octets in base64
QUICKLY = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # it lives for seconds
PATIENCE = 240.0  # seconds until it answers: two of Java's starts on a very busy machine


class Broker:
    """`address` is where it listens, also after it was killed and started anew; `settings` are what a client is told.

    `starts` counts its lives.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        port, controller_port = _free_ports(2)
        self.address = f"127.0.0.1:{port}"
        self.settings: dict[str, object] = {"bootstrap.servers": self.address, "log_level": 0}
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        settings = (SOURCES / "kafka" / "server.properties").read_text()
        for name, value in (("port", port), ("controller_port", controller_port), ("folder", folder / "data")):
            settings = settings.replace("{" + name + "}", str(value))
        (folder / "server.properties").write_text(settings)
        self._java("kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER, "-c", "server.properties").wait()

    def start(self) -> None:
        """Start it, and return when it answers."""
        assert self._process is None or self._process.poll() is not None
        self._process = self._java("kafka.Kafka", "server.properties", "-Xmx256m")
        self.starts += 1
        self._wait_for_answers()

    def kill(self) -> None:
        """SIGKILL: nothing flushed, nothing tidied."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """SIGTERM: it says goodbye to its clients, and writes what it has."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE)

    def hold(self) -> None:
        """It stands still, with its connections open, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # its many threads stop one after the other

    def go_on(self) -> None:
        """Let it go on, and return when it answers: it was missed, and has to register again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._wait_for_answers()

    @property
    def log(self) -> str:
        """What it said, in all its lives."""
        return (self._folder / "broker.log").read_text()[-4000:]

    def new_url(self) -> str:
        """Where a log is that nobody has used yet; its topic does not exist."""
        return f"kafka://{self.address}/meetref.test-{next(self._numbers)}"

    def _java(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        libraries = NATIVES["kafka"].path().parent
        options = [word for word in words if word.startswith("-X")]
        command = ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", *QUICKLY, *options]
        command += ["-cp", f"{libraries}/*", program, *(word for word in words if word not in options)]
        with (self._folder / "broker.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    def _wait_for_answers(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process is not None
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log

    def _answers(self) -> bool:
        """Whether it knows of itself: the port is open some seconds earlier."""
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        with contextlib.suppress(KafkaException):
            admin = AdminClient(self.settings)
            return bool(admin.list_topics(timeout=1).brokers)
        return False


@contextlib.contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """A broker whose data are in `folder`, until the block ends."""
    broker = Broker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]

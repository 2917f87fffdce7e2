"""A server in one network namespace and browsers in another, with a cable between them that can be tampered with.

    with office() as place:        # needs root; see tests/peer_registry.py
        place.run("tests.peers.tcp_only", tmp_path)

The program runs in the browsers' namespace; it starts the server in the other one with `served`.
Read next: tests/peers/test_office.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio

from meetref.app.tokens import make_token, read_secret
from meetref.net.network import KernelNetwork
from tests.peers.meetings import Served

ROOT = Path(__file__).parents[2]
SERVER, DESK, OTHER_DESK = "10.213.8.1", "10.213.8.2", "10.213.8.3"
TRUSTING = ("--ignore-certificate-errors", f"--unsafely-treat-insecure-origin-as-secure=https://{SERVER}:8443")

NO_RELAY = "() => { RTCPeerConnection.prototype.setConfiguration = () => {}; }"
"""A script for pages: no relay, which would be another way out, and hide whether the one under test works."""


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)


class Office:
    """The names of the two namespaces, and how to run a program at the desk."""

    def __init__(self, server: str, desk: str) -> None:
        self.server = server
        self.desk = desk

    def run(self, module: str, *words: str, limit: float = 150) -> subprocess.CompletedProcess[str]:
        """Run a module of the tests in the browsers' namespace."""
        command = ["ip", "netns", "exec", self.desk, sys.executable, "-m", module, self.server, *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit)


@contextmanager
def office() -> Iterator[Office]:
    """Two namespaces, joined by a pair of devices."""
    server, desk = f"server-{os.getpid()}", f"desk-{os.getpid()}"
    run("ip", "netns", "add", server)
    run("ip", "netns", "add", desk)
    try:
        run("ip", "link", "add", "lan0", "netns", server, "type", "veth", "peer", "name", "lan0", "netns", desk)
        for name, address in ((server, SERVER), (desk, DESK)):
            # An IPv6 address that comes up a second later is a change of network, and Chromium gives up loading then.
            run("ip", "-n", name, "link", "set", "lan0", "addrgenmode", "none")
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "lan0")
            for device in ("lo", "lan0"):
                run("ip", "-n", name, "link", "set", device, "up")
        run("ip", "-n", desk, "route", "add", "default", "via", SERVER)
        yield Office(server, desk)
    finally:
        run("ip", "netns", "del", desk)
        run("ip", "netns", "del", server)


def forbid_udp() -> None:
    """A firewall of the kind that lets only TCP out, in the namespace that this program runs in."""
    run("nft", "add", "table", "inet", "firewall")
    run("nft", "add", "chain", "inet", "firewall", "out", "{ type filter hook output priority 0 ; }")
    run("nft", "add", "rule", "inet", "firewall", "out", "oifname", "lan0", "meta", "l4proto", "udp", "drop")


def move_desk() -> None:
    """Another address, as after a change of network: the old one is gone, and whatever used it with it."""
    run("ip", "addr", "del", f"{DESK}/24", "dev", "lan0")
    run("ip", "addr", "add", f"{OTHER_DESK}/24", "dev", "lan0")
    run("ip", "route", "replace", "default", "via", SERVER)


def forget_mappings() -> None:
    """Lose whatever goes to or comes from the UDP ports that are in use now; new ones work."""
    listed = subprocess.run(["ss", "-Huan"], check=True, capture_output=True, text=True, timeout=20).stdout
    ports = {line.split()[3].rpartition(":")[2] for line in listed.splitlines() if line.split()}
    run("nft", "add", "table", "inet", "firewall")
    for hook, end in (("input", "dport"), ("output", "sport")):
        run("nft", "add", "chain", "inet", "firewall", hook, f"{{ type filter hook {hook} priority 0 ; }}")
        run("nft", "add", "rule", "inet", "firewall", hook, "udp", end, f"{{ {', '.join(sorted(ports))} }}", "drop")


class PublicServer(Served):
    """A server that others can reach: its links carry a token."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], secret: Path) -> None:
        super().__init__(url, process)
        self._secret = secret

    def link(self, room: str, name: str) -> str:
        now = KernelNetwork().wall_clock()
        token = make_token(read_secret(self._secret), room=room, name=None, now=now, valid_for=3600)
        return f"{super().link(room, name)}#token={token}"


@asynccontextmanager
async def served(namespace: str, folder: Path, *arguments: str) -> AsyncIterator[PublicServer]:
    """A server in the other namespace, at `SERVER`."""
    secret = folder / "secret"
    secret.write_bytes(os.urandom(48))
    log = folder / "server.log"
    words = ["serve", "--listen", SERVER, "--port", "8443", "--self-signed", "--room-secret-file", str(secret)]
    command = ["ip", "netns", "exec", namespace, str(Path(sys.executable).with_name("meetref")), *words]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220
            [*command, "--data", str(folder / "data"), *arguments], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        with trio.fail_after(20):
            while not (found := re.search(r"(https://[\d.]+:\d+)/", log.read_text())):
                assert process.poll() is None, log.read_text()
                await trio.sleep(0.05)
        yield PublicServer(found[1], process, secret)
        assert process.poll() is None, log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.terminate()
        process.wait(10)
        sys.stderr.write(log.read_text())

"""coturn's own load client against our relay: UDP, TCP and TLS, channels and indications, thousands of messages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.peers.our_relay import HERE, OurRelay, free_ports, our_relay

pytestmark = pytest.mark.peer("coturn")
PATIENCE = 90.0  # seconds


@pytest.fixture(scope="module")
def relay() -> Iterator[OurRelay]:
    # It draws channel numbers from RFC 5766's range.
    with our_relay("--old-channels", "--user-quota", "100") as running:
        yield running


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    """coturn's peer, which sends everything back; uclient uses the port after it, too."""
    (port,) = free_ports(1)
    with subprocess.Popen(["turnutils_peer", "-L", HERE, "-p", str(port)], stdout=subprocess.DEVNULL) as process:
        yield port
        process.terminate()


def uclient(port: int, echo_port: int, *options: str) -> tuple[int, int, str]:
    """Run it; messages sent and received, and what it said."""
    command = ["turnutils_uclient", "-u", "u", "-w", "p", "-e", HERE, "-r", str(echo_port), "-p", str(port)]
    done = subprocess.run([*command, *options, HERE], capture_output=True, text=True, timeout=PATIENCE, check=False)
    said = done.stdout + done.stderr
    counts = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", said)
    assert counts, said[-2000:]
    return int(counts[-1][0]), int(counts[-1][1]), said


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("way", ["channels", "indications"])
def test_messages_come_back(relay: OurRelay, echo_port: int, transport: str, way: str) -> None:
    options = {"udp": [], "tcp": ["-t"], "tls": ["-t", "-S"]}[transport] + (["-s"] if way == "indications" else [])
    port = relay.tls_port if transport == "tls" else relay.port
    # Over TLS it reads one record each time it is woken, also from coturn's server: two at a time, and one is late.
    pause = "20" if transport == "tls" else "5"
    sent, received, said = uclient(port, echo_port, *options, "-n", "50", "-m", "2", "-z", pause)
    assert sent == received == 100, said[-2000:]
    assert not re.search(r"error [0-9]", said)


@pytest.mark.slow
def test_thousands_of_messages(relay: OurRelay, echo_port: int) -> None:
    sent, received, said = uclient(relay.port, echo_port, "-n", "2000", "-m", "4", "-z", "2", "-c", "-l", "1000")
    assert sent == 8000
    assert received >= 0.99 * sent, said[-2000:]  # UDP on a busy machine may lose some


@pytest.mark.parametrize(
    "options",
    [["-y"], ["-g", "-s"], ["-X"], ["-G"], ["-D"]],
    ids=["client to client", "unfragmented", "IPv4 by name", "more requests than needed", "padded channel data"],
)
def test_everything_else_that_it_can_ask_for(relay: OurRelay, echo_port: int, options: list[str]) -> None:
    sent, received, said = uclient(relay.port, echo_port, *options, "-n", "20", "-m", "2", "-z", "5")
    assert sent == received > 0, said[-2000:]


def test_a_wrong_password_gets_nothing(relay: OurRelay, echo_port: int) -> None:
    command = ["turnutils_uclient", "-u", "u", "-w", "wrong", "-e", HERE, "-r", str(echo_port), "-p", str(relay.port)]
    done = subprocess.run([*command, HERE], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "tot_recv_msgs" not in done.stdout
    assert done.returncode != 0


def test_its_stun_client_learns_its_address(relay: OurRelay) -> None:
    command = ["turnutils_stunclient", "-p", str(relay.port), HERE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert re.search(rf"UDP reflexive addr: {re.escape(HERE)}:\d+", done.stdout + done.stderr)

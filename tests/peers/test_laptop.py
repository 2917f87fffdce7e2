"""Firefox as people have it: it never sends a check to a loopback address, and hides its own behind mDNS names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ADDRESS, GATEWAY = "10.213.7.2/24", "10.213.7.1"


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)


@contextmanager
def laptop() -> Iterator[str]:
    """A network namespace with a loopback and one address of its own."""
    name = f"laptop-{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", "lan0", "netns", name, "type", "veth", "peer", "name", "lan1", "netns", name)
        run("ip", "-n", name, "addr", "add", ADDRESS, "dev", "lan0")
        for device in ("lo", "lan0", "lan1"):
            run("ip", "-n", name, "link", "set", device, "up")
        # Firefox asks the routing table for the way out before it gathers anything.
        run("ip", "-n", name, "route", "add", "default", "via", GATEWAY)
        yield name
    finally:
        run("ip", "netns", "del", name)


@pytest.mark.peer("firefox", "ip-netns")
@pytest.mark.slow
def test_two_firefoxes_as_on_a_laptop(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    with laptop() as name:
        meeting = subprocess.run(
            ["ip", "netns", "exec", name, sys.executable, "-m", "tests.peers.laptop", str(tmp_path)],
            cwd=root, capture_output=True, text=True, timeout=150,
        )  # fmt: skip
    assert meeting.returncode == 0, meeting.stderr[-3000:]
    assert meeting.stdout.endswith("met\n")

"""What the kernel's network says of itself, and its streams."""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import trio

from meetref.net import addresses as module
from meetref.net.addresses import REFRESH_AFTER, OwnAddresses, own_addresses
from meetref.net.network import KernelNetwork, Network
from meetref.net.virtual import VirtualNetwork
from meetref.wire.address import Address

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.0.2.0
        /24 link UNICAST
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
Local:
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.2
        /32 host LOCAL
"""
IF_INET6 = """\
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
20010db8000000000000000000000002 04 40 00 82     eth0
20010db8000000000000000000000003 04 40 00 c0     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


def test_the_kernels_tables_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("IPV4_TABLE", FIB_TRIE), ("IPV6_TABLE", IF_INET6)):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(module, name, tmp_path / name)
    # Without the link-local one, and the one that is still being checked for duplicates.
    assert own_addresses() == ["192.0.2.2", "2001:db8::2", "127.0.0.1", "::1"]


def test_without_tables_sockets_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IPV4_TABLE", tmp_path / "none")
    monkeypatch.setattr(module, "IPV6_TABLE", tmp_path / "none")
    found = own_addresses()
    assert "127.0.0.1" in found
    assert len(set(found)) == len(found)


@pytest.mark.skipif(shutil.which("ip") is None, reason="no program ip")
def test_the_same_as_ip_says() -> None:
    done = subprocess.run(["ip", "-json", "address"], capture_output=True, check=True, timeout=10)
    told = {
        str(ipaddress.ip_address(address["local"]))
        for interface in json.loads(done.stdout)
        for address in interface["addr_info"]
        if not (address["family"] == "inet6" and address["scope"] == "link") and not address.get("tentative")
    }
    assert set(own_addresses()) == told


def test_own_addresses_are_looked_up_again_now_and_then() -> None:
    here = ["192.0.2.1"]
    own = OwnAddresses(lambda: list(here))
    assert not own.refresh(0.0)
    here.append("192.0.2.2")
    assert not own.refresh(REFRESH_AFTER / 2)
    assert not own.holds("192.0.2.2")
    assert own.refresh(REFRESH_AFTER)
    assert own.holds("192.0.2.2")
    assert own.holds("127.3.2.1")
    assert not own.holds("1.127.0.0")


async def talk(network: Network, host: str) -> None:
    listener = await network.open_listener(Address(host, 0))
    near = await network.open_stream(listener.local)
    far = await listener.accept()
    await near.send_all(b"question")
    await near.send_eof()
    assert b"".join([part async for part in far]) == b"question"
    await far.send_all(b"answer")
    await far.aclose()
    assert b"".join([part async for part in near]) == b"answer"
    await listener.aclose()
    with pytest.raises(OSError, match=r"refused|failed"):
        await network.open_stream(listener.local)
    await near.aclose()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_streams_of_the_kernel(host: str) -> None:
    await talk(KernelNetwork(), host)


async def test_streams_of_the_virtual_network(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    world = VirtualNetwork(1)
    await nursery.start(world.run)
    await talk(world.host("alice"), "::1")


async def test_a_taken_tcp_port_is_an_error() -> None:
    network = KernelNetwork()
    listener = await network.open_listener(Address("127.0.0.1", 0))
    with pytest.raises(OSError, match="in use"):
        await network.open_listener(listener.local)
    await listener.aclose()


async def test_dice_and_wall_clock(autojump_clock: trio.testing.MockClock) -> None:
    kernel = KernelNetwork()
    assert len(kernel.dice(16)) == 16
    assert kernel.dice(16) != kernel.dice(16)
    assert kernel.wall_clock() > 1_700_000_000
    hosts = [VirtualNetwork(seed).host(name) for seed, name in ((1, "a"), (1, "a"), (1, "b"), (2, "a"))]
    first, same, other_host, other_seed = (host.dice(16) for host in hosts)
    assert first == same
    assert len({first, other_host, other_seed}) == 3
    began = hosts[0].wall_clock()
    await trio.sleep(5)
    assert hosts[0].wall_clock() - began == pytest.approx(5)

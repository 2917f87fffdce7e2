"""A home behind a NAT made by nftables, and a server outside: three network namespaces, and two cables between them.

    with home("symmetric") as place:        # needs root; see tests/peer_registry.py
        place.run("tests.peers.natted", tmp_path)

    home 192.168.51.2 -- 192.168.51.1 router 10.213.8.2 -- 10.213.8.1 server

Read next: tests/peers/office.py (the server, and running programs), tests/peers/test_home.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from tests.peers.office import DESK, SERVER, Office, run

Kind = Literal["cone", "symmetric", "no-udp"]
INSIDE, GATEWAY = "192.168.51.2", "192.168.51.1"

# What each kind does, in the words of nftables. Masquerading keeps ports where it can; Linux maps by address and port.
MASQUERADE = (
    "add chain ip nat out { type nat hook postrouting priority 100 ; }\nadd rule ip nat out oifname wan masquerade"
)
RULES: dict[Kind, str] = {
    # One inner host, so whatever comes to the outer address is for it: endpoint-independent in both ways.
    "cone": f"{MASQUERADE}\nadd chain ip nat in {{ type nat hook prerouting priority -100 ; }}\n"
    f"add rule ip nat in iifname wan udp dport 1024-65535 dnat to {INSIDE}",
    "symmetric": f"{MASQUERADE} fully-random",
    "no-udp": f"{MASQUERADE}\nadd chain ip nat forward {{ type filter hook forward priority 0 ; }}\n"
    "add rule ip nat forward meta l4proto udp drop",
}


def inside(name: str, *words: str) -> None:
    """Run a program in a namespace."""
    run("ip", "netns", "exec", name, *words)


@contextmanager
def namespace(name: str) -> Iterator[str]:
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        run("ip", "netns", "del", name)


def cable(first: str, first_device: str, first_address: str, second: str, device: str, address: str) -> None:
    """Join two namespaces; addresses with the length of their prefix."""
    run("ip", "link", "add", first_device, "netns", first, "type", "veth", "peer", "name", device, "netns", second)
    for name, each, its in ((first, first_device, first_address), (second, device, address)):
        run("ip", "-n", name, "addr", "add", its, "dev", each)
        # No IPv6 address that comes up a second later: for Chromium that is a change of network.
        run("ip", "-n", name, "link", "set", each, "addrgenmode", "none")
        run("ip", "-n", name, "link", "set", each, "up")


@contextmanager
def home(kind: Kind) -> Iterator[Office]:
    """The server's namespace and that of the browsers, with a NAT between."""
    with ExitStack() as stack:
        server, router, desk = (
            stack.enter_context(namespace(f"{name}-{os.getpid()}")) for name in ("server", "router", "home")
        )
        cable(server, "lan0", f"{SERVER}/24", router, "wan", f"{DESK}/24")
        cable(router, "lan", f"{GATEWAY}/24", desk, "lan0", f"{INSIDE}/24")
        run("ip", "-n", desk, "route", "add", "default", "via", GATEWAY)
        inside(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for line in ["add table ip nat", *RULES[kind].splitlines()]:
            inside(router, "nft", line)
        yield Office(server, desk)

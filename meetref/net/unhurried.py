"""What can wait is put aside by the kernel: a second socket of the same port, which wakes nobody.

A busy server's viewers tell of their bandwidth thousands of times a second, and to be woken for each costs more than
to forward a packet. Nothing that is told so has haste, and it is read five times a second, so a few instructions in
the kernel give these datagrams to a socket that is read when it is time (docs/measurements.md, "Forwarding").
Stands below `net/datagram`, whose socket gets a twin. Linux only; elsewhere everything comes by one socket.
Specification: which datagrams, RFC 3711 section 3.4 (what of a control packet is in clear) and
draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1; how, socket(7), SO_ATTACH_REUSEPORT_CBPF.
Read next: `net/datagram.py`; `meeting/exchange.py`, which reads what was put aside.
"""

from __future__ import annotations

import ctypes
import socket
from struct import Struct

from meetref.wire import rtcpfeedback

SO_ATTACH_REUSEPORT_CBPF = 51  # Linux's number; Python's `socket` has no name for it
PROGRAM = Struct("HP")  # how many instructions, and where they are
INSTRUCTION = Struct("HBBI")  # what to do, how many to skip if so, if not, and with what

LONGEST_TRAILER = 20
"""Octets that SRTCP puts behind a packet, at most: the tag of AES-GCM and the index."""

# What the instructions are called in the documentation of the classic Berkeley packet filter.
LOAD_OCTET, LOAD_PAIR, LOAD_LENGTH = 0x30, 0x28, 0x80
AND, SHIFT_LEFT, ADD, KEEP, SUBTRACT_KEPT = 0x54, 0x64, 0x04, 0x07, 0x1C
IF_EQUAL, IF_GREATER, ANSWER = 0x15, 0x25, 0x06

_PADDING = 0x20
_INSTRUCTIONS = (
    (LOAD_OCTET, 0, 0, 0),
    (AND, 0, 0, 0xFF ^ _PADDING),
    (IF_EQUAL, 0, 9, 0x80 | rtcpfeedback.TRANSPORT_WIDE),
    (LOAD_OCTET, 0, 0, 1),
    (IF_EQUAL, 0, 7, rtcpfeedback.TRANSPORT),
    (LOAD_PAIR, 0, 0, 2),  # the packet's length in words of four octets, less one
    (SHIFT_LEFT, 0, 0, 2),
    (ADD, 0, 0, 4),
    (KEEP, 0, 0, 0),
    (LOAD_LENGTH, 0, 0, 0),
    (SUBTRACT_KEPT, 0, 0, 0),
    (IF_GREATER, 0, 1, LONGEST_TRAILER),  # there is another packet behind it, and that one may have haste
    (ANSWER, 0, 0, 0),
    (ANSWER, 0, 0, 1),
)


def is_unhurried(data: bytes) -> bool:
    """Whether a locked control packet is transport-wide feedback with nothing behind it: what the filter looks for."""
    kind = data[1] == rtcpfeedback.TRANSPORT and data[0] & 0xDF == 0x80 | rtcpfeedback.TRANSPORT_WIDE
    return kind and 0 <= len(data) - (int.from_bytes(data[2:4]) * 4 + 4) <= LONGEST_TRAILER


def open_twin(first: socket.socket) -> socket.socket | None:
    """A socket of the same address as `first` to which such datagrams come from now on; None where there is no way.

    Only after it is bound may `first` be shared, or a second server could take the port and nobody would notice.
    """
    if not hasattr(socket, "SO_REUSEPORT") or not hasattr(socket, "SO_PEERCRED"):  # the latter: Linux
        return None
    twin = socket.socket(first.family, socket.SOCK_DGRAM)
    try:
        twin.setblocking(False)
        if first.family == socket.AF_INET6:
            twin.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for each in (first, twin):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        twin.bind(first.getsockname())
        octets = ctypes.create_string_buffer(b"".join(INSTRUCTION.pack(*each) for each in _INSTRUCTIONS))
        program = PROGRAM.pack(len(_INSTRUCTIONS), ctypes.addressof(octets))
        first.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program)
    except OSError:
        twin.close()
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        return None
    return twin

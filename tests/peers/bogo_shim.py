"""The program that BoringSSL's test runner drives: our DTLS machines, told the time and the datagrams by its frames.

    runner (Go) --TCP, frames--> Packets --> Endpoint (protocol/dtls) --> Packets --> runner

Of the machines nothing is changed but what `bogo_door` says; it tells also why.
Ends with 0 (as it should be), 1 (the association failed, or an expectation), 89 (the case needs what we do not have).
Specification: ssl/test/PORTING.md and ssl/test/bssl_shim.cc of BoringSSL. Read next: `tests/peers/bogo_left_out.json`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from meetref.protocol.dtls import Closed, Connected, Failed, Received
from meetref.protocol.machine import Datagram
from meetref.wire.tls import CIPHER_SUITES, GROUPS, RETRY_RANDOM
from tests.peers import bogo_flags
from tests.peers.bogo_door import HERE, THERE, Door, open_door
from tests.peers.bogo_flags import Case, Unimplemented
from tests.peers.bogo_framing import (
    FirstWait,
    FramingBroken,
    Packet,
    Packets,
    PathLimit,
    TimePasses,
    TimerExpected,
)

UNIMPLEMENTED = 89
LEFT_OUT = Path(__file__).with_name("bogo_left_out.json")


class Disappointed(Exception):
    """Something is not as the case says that it has to be; the text goes to the runner."""


class Talk:
    """One connection of a case: the machine, its clock, and what was seen so far."""

    def __init__(self, case: Case, packets: Packets) -> None:
        self.case = case
        self.packets = packets
        self.now = 0.0
        self.connected: Connected | None = None
        self.is_over = False
        self.secrets: dict[str, bytes] = {}
        self.saw_retry = False
        self.machine: Door = open_door(case, self._note_secret)

    def _note_secret(self, line: str) -> None:
        label, _, secret = line.split()
        self.secrets[label] = bytes.fromhex(secret)

    def run(self) -> None:
        """Until the association or the connection ends. Raises `Disappointed`, `FramingBroken`, `Unimplemented`."""
        self.machine.start(self.now)
        self._settle()
        while not self.is_over:
            frame = self.packets.read()
            match frame:
                case None:
                    return self._hung_up()
                case Packet(data):
                    self.saw_retry |= RETRY_RANDOM in data
                    self.machine.receive_datagram(Datagram(data, HERE, THERE), self.now)
                case TimePasses(seconds):
                    self.packets.acknowledge_time()
                    self._pass_time(seconds)
                case PathLimit(octets):
                    self.machine.limit_datagrams(octets)
                case TimerExpected(seconds):
                    self._check_timer(seconds)
                case FirstWait():
                    raise Unimplemented("a first wait that changes during a flight")
            self._settle()
        return None

    def _pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.machine.next_timeout() <= self.now + 1e-6:
            self.now = max(self.now, self.machine.next_timeout())
            self.machine.handle_timeout(self.now)

    def _check_timer(self, seconds: float | None) -> None:
        left = self.machine.next_timeout() - self.now
        if not (left > 1e9 if seconds is None else abs(left - seconds) < 1e-3):
            raise Disappointed(f"the timer runs out in {left} s, and should in {seconds}")

    def _settle(self) -> None:
        """Send what is to be sent and act on what happened, until neither brings anything new."""
        busy = True
        while busy:
            busy = False
            for datagram in self.machine.transmits():
                busy = True
                self.saw_retry |= RETRY_RANDOM in datagram.data
                self.packets.write(datagram.data)
            for event in self.machine.events():
                busy = True
                self._act(event)

    def _act(self, event: object) -> None:
        match event:
            case Connected():
                self.connected = event
                self._check(event)
                self._begin(event)
            case Received(data) if data:
                if self.case.updates_keys:
                    self.machine.update_keys(self.now)
                self.machine.send(bytes(octet ^ 0xFF for octet in data), self.now)
                self._before_read()
            case Closed():
                self.is_over = True
            case Failed(alert, why):
                self.is_over = True
                heard = why.startswith("the peer ended it")
                raise Disappointed(f"the runner refused: {alert}" if heard else f"we refused: {alert}: {why}")

    def _hung_up(self) -> None:
        if self.connected is None:
            raise Disappointed("the runner hung up during the handshake")
        if self.case.wants_close_notify:
            raise Disappointed("the runner hung up without a close_notify")
        self.machine.close(self.now)

    # --- the handshake is complete ----------------------------------------------------------------

    def _check(self, event: Connected) -> None:
        told = {
            "version": {"1.2": 0xFEFD, "1.3": 0xFEFC}[event.version],
            "cipher": next(number for number, name in CIPHER_SUITES.items() if name == event.cipher),
            "group": next(number for number, name in GROUPS.items() if name == event.group),
            "extended_master_secret": int(event.extended_master_secret),
        }
        for name, value in self.case.expected.items():
            if told[name] != value:
                raise Disappointed(f"{name} is {told[name]}, and should be {value}")
        if self.case.expects_retry not in (None, self.saw_retry):
            raise Disappointed(f"a retry was asked for: {self.saw_retry}")
        if self.case.expects_certificate not in (None, bool(event.peer_certificate)):
            raise Disappointed(f"the peer has a certificate: {bool(event.peer_certificate)}")

    def _begin(self, event: Connected) -> None:
        """What the shim has to say of itself."""
        case = self.case
        if case.exported_size:
            self.machine.send(self.machine.export(case.export_label.encode(), case.exported_size), self.now)
        if case.exports_traffic_secrets:
            ours, theirs = ("SERVER", "CLIENT") if case.is_server else ("CLIENT", "SERVER")
            read, write = (self.secrets[f"{side}_TRAFFIC_SECRET_0"] for side in (theirs, ours))
            for octets in (len(read).to_bytes(2, "little"), read, write):
                self.machine.send(octets, self.now)
        for _ in range(case.writes_first):
            self.machine.send(case.first_words, self.now)
        if case.shuts_down:
            self.machine.close(self.now)
        else:
            self._before_read()

    def _before_read(self) -> None:
        if self.case.updates_keys_before_read:
            self.machine.update_keys(self.now)


def run(case: Case) -> None:
    """All connections of a case, one after the other."""
    for _ in range(case.connections):
        family, host = (socket.AF_INET6, "::1") if case.ipv6 else (socket.AF_INET, "127.0.0.1")
        connection = socket.socket(family)
        connection.connect((host, case.port))
        packets = Packets(connection)
        packets.say_who(case.shim_id)
        try:
            Talk(case, packets).run()
        finally:
            packets.close()


def reason_for(missing: str) -> str:
    """Why the flag, or what it asks for, is left out, as the list says."""
    reasons: dict[str, list[str]] = json.loads(LEFT_OUT.read_text())["FlagsLeftOut"]
    return next(
        (reason for reason, flags in reasons.items() if any(fnmatchcase(missing, flag) for flag in flags)),
        "nobody has said why",
    )


def main(arguments: Sequence[str]) -> int:
    """What the shim ends with."""
    if "-is-handshaker-supported" in arguments:
        print("No")
        return 0
    try:
        run(bogo_flags.read(arguments))
    except Unimplemented as missing:
        print(f"left out: {missing}: {reason_for(str(missing))}", file=sys.stderr)
        if account := os.environ.get("BOGO_ACCOUNT"):
            with Path(account).open("a") as file:
                print(reason_for(str(missing)), file=file)
        return UNIMPLEMENTED
    except (Disappointed, FramingBroken, ConnectionError) as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

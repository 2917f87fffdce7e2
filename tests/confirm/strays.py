"""What others do with the datagrams of vectors/dtls/strays: an association with each, and a stray at its moment.

The octets that anybody could send are sent as they stand; what is made of the next datagram with data (a forgery, a
cut) is made of the one that this association has. Who is asked must complete the handshake, or have completed it, and
then take the data.
Stands below `tests/confirm/dtls.py`, above `refusals.py`, which has the programs.
Read next: tests/generate/dtlsstrays.py.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable

from meetref.protocol.association import Connected, Failed, Received
from meetref.protocol.machine import Datagram
from meetref.wire.address import Address
from tests.confirm.refusals import (
    ALIKE,
    TRIES,
    connection_of,
    free_port,
    openssl_version,
    running,
    said,
    try_send,
    until_bound,
    version_of,
    words,
)
from tests.confirm.witness import Ask, Case, Witness, several_at_a_time
from tests.generate.dtlslies import Lie, liar_of
from tests.generate.dtlsstrays import LATER, MOMENTS, SAID, SETTINGS, UNSEEN, Stray, strays_of

PROGRAMS = {"BoringSSL": "boringssl", "wolfSSL": "wolfssl", "dimpl": "dimpl"}
OVER_UDP = "a program on it over UDP: it completes the handshake, or has, and takes the data"
Disturb = Callable[[str, str, str, Stray, float], bool]


def witnesses() -> list[Witness]:
    """Who can be asked about strays."""
    found = [
        Witness(name, lambda native=native: version_of(native), {"stray": OVER_UDP}, _asked(_program(native), UNSEEN))
        for name, native in PROGRAMS.items()
    ]
    how = "in memory, driven by pyOpenSSL: it completes the handshake, or has, and takes the data once"
    return [*found, Witness("OpenSSL", openssl_version, {"stray": how}, _asked(_openssl))]


def _asked(disturb: Disturb, unable: tuple[str, ...] = ()) -> Ask:
    """`unable` are the comments of strays of which that witness does not show what it thinks."""

    def ask(operation: str, case: Case) -> None:
        assert _is_right(case, disturb, unable), f"{case['id']} {case['comment']}"

    return several_at_a_time(ask, ALIKE)


def _is_right(case: Case, disturb: Disturb, unable: tuple[str, ...]) -> bool:
    """Asked a few times before it is said to differ: a program on a busy machine may not get its turn in time."""
    version, role, moment, stray = told_by(case)
    return stray.comment not in unable and any(disturb(version, role, moment, stray, patience) for patience in TRIES)


def told_by(case: Case) -> tuple[str, str, str, Stray]:
    """Version, the victim's role, the moment and the stray of that case."""
    number = int(case["id"][-4:])
    for version in SETTINGS:
        for role, moments in MOMENTS.items():
            for moment in moments:
                strays = strays_of(version, moment)
                if number <= len(strays):
                    return version, role, moment, strays[number - 1]
                number -= len(strays)
    raise LookupError(case["id"])


class Disturbed:
    """An honest endpoint, and a stray that gets in front of what it says at a certain moment.

    What it says are the two texts of `data`, the first one only where it is to say it `first`.
    """

    def __init__(
        self,
        version: str,
        role: str,
        moment: str,
        stray: Stray,
        send: Callable[[bytes], object],
        *,
        first: bool,
        data: tuple[bytes, bytes] = (SAID, LATER),
    ) -> None:
        self.moment, self.stray, self._send, self._data = moment, stray, send, data
        settings = SETTINGS[version]
        self.end = liar_of(version, role, Lie("", "", "", liar=settings))
        self._says_first = first
        self.failed = self.connected = False
        self.received: list[bytes] = []
        self.end.start(0.0)
        if moment == "hello expected":
            send(stray.make(b"", b""))
        self.flush()

    def flush(self) -> None:
        for datagram in list(self.end.transmits()):
            self._send(datagram.data)
        for event in self.end.events():
            if isinstance(event, Failed):
                self.failed = True
            if isinstance(event, Received):
                self.received.append(event.data)
            if isinstance(event, Connected):
                self.connected = True
                self._say_data()

    def _say_data(self) -> None:
        last, following = (self._sealed(data) for data in self._data)
        if self._says_first:
            self._send(last)
        if self.moment == "connected":
            self._send(self.stray.make(last, following))
        self._send(following)

    def _sealed(self, data: bytes) -> bytes:
        self.end.send(data, 0.0)
        (sent,) = [datagram.data for datagram in self.end.transmits()]
        return bytes(sent)

    def hear(self, data: bytes, now: float) -> None:
        if self.moment in ("hello sent", "flight sent"):
            self._send(self.stray.make(b"", b""))
            self.moment = ""
        self.end.receive_datagram(Datagram(data, self.end.local, self.end.remote), now)
        self.flush()

    def wait(self, now: float) -> None:
        if self.end.next_timeout() <= now:
            self.end.handle_timeout(now)
            self.flush()


def _program(native: str) -> Disturb:
    def disturb(version: str, role: str, moment: str, stray: Stray, patience: float) -> bool:
        asked = words(native, version, Lie("", "", "", victim=SETTINGS[version]))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.bind(("127.0.0.1", 0))
            ours.settimeout(0.02)
            port = ours.getsockname()[1] if role == "client" else free_port()
            with running(native, [role, str(port), *asked]) as process:
                if role == "server":
                    ours.connect(("127.0.0.1", port))
                    until_bound(port)
                began = time.monotonic()
                end = Disturbed(version, role, moment, stray, lambda data: try_send(ours, data), first=False)
                while (now := time.monotonic() - began) < patience and process.poll() is None and not end.failed:
                    try:
                        data, source = ours.recvfrom(65536)
                        if role == "client" and end.end.remote != Address(*source):
                            ours.connect(source)
                            end.end.remote = Address(*source)
                        end.hear(data, now)
                    except (TimeoutError, ConnectionError):
                        end.wait(now)
                return process.poll() == 0 and not end.failed

    return disturb


def _openssl(version: str, role: str, moment: str, stray: Stray, patience: float) -> bool:
    from OpenSSL import SSL

    if version != "1.2":
        return False
    connection = connection_of(role)
    waiting: deque[bytes] = deque()  # each datagram is read before the next one comes
    end = Disturbed(version, role, moment, stray, waiting.append, first=True)
    got: list[bytes] = []
    done = False
    for _ in range(40):
        if waiting and waiting[0]:
            connection.bio_write(waiting[0])
        if waiting:
            waiting.popleft()
        try:
            if done:
                got.append(connection.recv(65536))
            else:
                connection.do_handshake()
                done = True
        except SSL.WantReadError:
            pass
        except SSL.Error:
            return False
        while (data := said(connection)) is not None:
            end.hear(data, 0.0)
    return got == [SAID, LATER] and not end.failed

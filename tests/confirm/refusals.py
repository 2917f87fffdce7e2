"""What others do when they are told the lies of vectors/{handshake12,handshake13}/refusals.

Nobody else can be made to draw our dice, so each lie is told anew, by the endpoint of ours that told it for the
vectors: to programs of BoringSSL and wolfSSL over loopback (tests/peers/native.py), to OpenSSL in memory. What they
say to it must be the alert of the case, or one that is allowed.
Stands below `tests/confirm/{handshake12,handshake13}.py`. Read next: tests/generate/dtlslies.py.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from meetref.protocol.association import Closed, Connected, Failed, Received
from meetref.protocol.machine import Datagram, Ignored
from meetref.wire.address import Address
from tests.confirm.witness import Absent, Ask, Case, Witness, several_at_a_time
from tests.generate import handshake12lies, handshake13clientlies, handshake13lies
from tests.generate.dtlslies import CERTIFICATES, Lie, liar_of
from tests.peers.native import NATIVES

LIES = {
    "1.2": (handshake12lies.to_client, handshake12lies.to_server),
    "1.3": (handshake13lies.to_client, handshake13clientlies.to_server),
}
ALIKE = 10  # lies told at the same time: mostly they wait for what will not come
TRIES = (5.0, 5.0, 20.0)
"""Seconds in which a program on this machine has said whatever it will, and how long it has when it is asked again."""


@cache
def _lies(version: str) -> list[tuple[str, Lie]]:
    to_client, to_server = LIES[version]
    return [("client", lie) for lie in to_client()] + [("server", lie) for lie in to_server()]


def witnesses(version: str) -> list[Witness]:
    """Who can be asked about refusals in that version."""
    how = "told the same over UDP, a program on it gives the same alert, or an allowed one"
    found = [
        Witness(name, lambda native=native: version_of(native), {"refusal": how}, _asked(version, _program(native)))
        for name, native in (("BoringSSL", "boringssl"), ("wolfSSL", "wolfssl"))
    ]
    if version == "1.2":
        how = "told the same in memory, driven by pyOpenSSL, it gives the same alert, or an allowed one"
        found.append(Witness("OpenSSL", openssl_version, {"refusal": how}, _asked(version, _openssl)))
    return found


def version_of(native: str) -> str:
    """Of a program of tests/peers/native.py. Raises `Absent`."""
    if NATIVES[native].why_absent() is not None:
        raise Absent
    return NATIVES[native].version


def openssl_version() -> str:
    """Of the library that pyOpenSSL stands on. Raises `Absent`."""
    try:
        from OpenSSL import SSL
    except ImportError:
        raise Absent from None
    return str(SSL.SSLeay_version(SSL.SSLEAY_VERSION).split()[1].decode())


Tell = Callable[[str, str, Lie, float], str]
"""From version, the victim's role, a lie and patience to what came of it: an alert, "gone", "connected", or "silence".
"""


def _asked(version: str, tell: Tell) -> Ask:
    def ask(operation: str, case: Case) -> None:
        answer = _settled(version, case, tell)
        assert agrees(case, answer), f"{case['id']} {case['comment']}: {answer}"

    return several_at_a_time(ask, ALIKE)


def _settled(version: str, case: Case, tell: Tell) -> str:
    """The answer that agrees, or the last of a few: a program on a busy machine may not get its turn in time."""
    answer = ""
    for patience in TRIES:
        answer = told(version, case, tell, patience)
        if agrees(case, answer):
            break
    return answer


def told(version: str, case: Case, tell: Tell, patience: float) -> str:
    """What comes of the lie of that case."""
    return tell(version, *lie_of(version, case), patience)


def lie_of(version: str, case: Case) -> tuple[str, Lie]:
    """Whose side is told the lie of that case, and the lie."""
    role, lie = _lies(version)[int(case["id"][-4:]) - 1]
    assert lie.comment == case["comment"]
    return role, lie


def agrees(case: Case, answer: str) -> bool:
    """An alert of the case; where it wants the association to end without one, that it did."""
    permitted = {case["reaction"], *case.get("allowed", ())}
    if answer == "gone":
        return "abort" in permitted
    return f"alert:{answer}" in permitted or ("drop" in permitted and answer in ("silence", "connected"))


class Telling:
    """The liar, and what it hears; `send` takes its datagrams away."""

    def __init__(self, version: str, role: str, lie: Lie, send: Callable[[bytes], object]) -> None:
        self.lie, self._send = lie, send
        self.liar = liar_of(version, role, lie)
        self.connected = self.is_over = False
        self.alert: str | None = None
        self.received: list[bytes] = []
        self.liar.start(0.0)

    def flush(self) -> None:
        for datagram in list(self.liar.transmits()):
            self._send(datagram.data)
        for event in self.liar.events():
            if isinstance(event, Failed | Closed):
                self.is_over = True
            if isinstance(event, Received):
                self.received.append(event.data)
            if isinstance(event, Failed):
                self.alert = self.alert or event.alert or "gone"
            if isinstance(event, Ignored) and event.why == "warning alert":
                self.alert = self.lie.reaction  # the only warning that is told of is that one
            if isinstance(event, Connected):
                self.connected = True
                for data in self.lie.afterwards(self.liar) if self.lie.afterwards is not None else ():
                    self._send(data)

    def hear(self, data: bytes, now: float) -> None:
        self.liar.receive_datagram(Datagram(data, self.liar.local, self.liar.remote), now)
        self.flush()

    def wait(self, now: float) -> None:
        if self.liar.next_timeout() <= now:
            self.liar.handle_timeout(now)
            self.flush()


# --- programs -------------------------------------------------------------------------------------


def words(native: str, version: str, lie: Lie) -> list[str]:
    """How the program is told the version and the groups of the victim; it offers a share of the first alone."""
    number = version.replace("1.", "1")
    hybrid = 0x11EC in lie.victim.get("groups", ())
    if native == "dimpl":
        return [number]
    if native == "boringssl":
        names = {0x11EC: "X25519MLKEM768", 0x1D: "X25519", 0x17: "P-256", 0x18: "P-384"}
        groups = lie.victim.get("groups", (0x1D, 0x17, 0x18))
        return [number, ":".join(names[group] for group in groups)]
    asks = ["nocookie"] if lie.victim.get("address_verified", True) else []
    if hybrid:
        return [number, "mlkem", *asks]
    return [number, "x25519", *asks] if version == "1.3" else [number]


def _program(native: str) -> Tell:
    def tell(version: str, role: str, lie: Lie, patience: float) -> str:
        asked = words(native, version, lie)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.bind(("127.0.0.1", 0))
            ours.settimeout(0.02)
            port = ours.getsockname()[1] if role == "client" else free_port()
            with running(native, [role, str(port), *asked]) as process:
                if role == "server":
                    ours.connect(("127.0.0.1", port))
                    until_bound(port)
                telling = Telling(version, role, lie, lambda data: try_send(ours, data))
                return _converse(telling, role, ours, process, patience)

    return tell


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until_bound(port: int) -> None:
    """Wait until somebody has that port of loopback, for ten seconds at most."""
    wanted = f"0100007F:{port:04X}"
    for _ in range(1000):
        # The third word is the other end: a socket that is connected to that port is not the one we wait for.
        if any(line.split()[1] == wanted for line in Path("/proc/net/udp").read_text().splitlines()):
            return
        time.sleep(0.01)


@contextmanager
def running(native: str, asked: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The program, in a folder with a key and a certificate; it is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        _write_identity(Path(folder))
        command = [str(NATIVES[native].path()), *asked]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet) as process:
            try:
                yield process
            finally:
                process.kill()


def _write_identity(folder: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509 import load_der_x509_certificate

    own = CERTIFICATES["server"]
    key = own._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)
    (folder / "cert.pem").write_bytes(load_der_x509_certificate(own.der).public_bytes(Encoding.PEM))


def _converse(
    telling: Telling, role: str, ours: socket.socket, process: subprocess.Popen[bytes], patience: float
) -> str:
    began = time.monotonic()
    if role == "server":
        telling.flush()
    while (now := time.monotonic() - began) < patience:
        try:
            data, source = ours.recvfrom(65536)
            if role == "client" and telling.liar.remote != Address(*source):
                ours.connect(source)
                telling.liar.remote = Address(*source)
            telling.hear(data, now)
        except (TimeoutError, ConnectionError):
            telling.wait(now)
        if telling.alert is not None:
            return telling.alert
        if process.poll() is not None:
            return _last_words(telling, ours, now)
    return "connected" if telling.connected else "silence"


def try_send(ours: socket.socket, data: bytes) -> None:
    """Send it to whoever the socket is connected to, if there is somebody."""
    try:
        ours.send(data)
    except OSError:
        pass  # it has gone, or has not come yet


def _last_words(telling: Telling, ours: socket.socket, now: float) -> str:
    """It has ended: what it said before that may still be on its way."""
    while telling.alert is None:
        try:
            telling.hear(ours.recv(65536), now)
        except TimeoutError:
            break
        except ConnectionError:
            continue  # what we sent did not arrive, which is told before what came
    return telling.alert or "gone"


# --- OpenSSL in memory ----------------------------------------------------------------------------


def _openssl(version: str, role: str, lie: Lie, patience: float) -> str:
    from OpenSSL import SSL

    connection = connection_of(role)
    telling = Telling(version, role, lie, connection.bio_write)
    telling.flush()
    done = gone = False
    for _ in range(12):
        try:
            connection.recv(65536) if done else connection.do_handshake()
            done = True
        except SSL.WantReadError:
            pass
        except SSL.Error:
            gone = True
        while (data := said(connection)) is not None:
            telling.hear(data, 0.0)
        if telling.alert is not None:
            return telling.alert
        if gone:
            return "gone"
    return "connected" if telling.connected else "silence"


def said(connection: Any) -> bytes | None:
    """What an OpenSSL in memory has to send."""
    from OpenSSL import SSL

    try:
        data: bytes = connection.bio_read(65536)
        return data
    except SSL.WantReadError:
        return None


def connection_of(role: str) -> Any:
    """An OpenSSL in memory that speaks 1.2 and wants a certificate."""
    from cryptography.x509 import load_der_x509_certificate
    from OpenSSL import SSL

    own = CERTIFICATES[role]
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256")
    context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM")
    context.use_certificate(load_der_x509_certificate(own.der))
    context.use_privatekey(own._key)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    connection = SSL.Connection(context)
    (connection.set_connect_state if role == "client" else connection.set_accept_state)()
    connection.set_ciphertext_mtu(1200)
    return connection

"""The shim for BoringSSL's test runner, with cases of our own, framed the same way: BoGo is not part of the tree."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import client12, client13
from meetref.protocol.certificate import Certificate
from meetref.protocol.dtls import Closed, Connected, Endpoint, Failed, Received
from meetref.protocol.machine import Datagram
from meetref.wire import dtls
from meetref.wire.address import Address
from meetref.wire.tls import AES128_CM_SHA1_80, ALERT_NUMBERS
from tests.peers import bogo_flags
from tests.peers.bogo_framing import FramingBroken, Packets

TREE = Path(__file__).parents[2]
LEFT_OUT = json.loads(Path(__file__).with_name("bogo_left_out.json").read_text())
RUNNER, SHIM = Address("192.0.2.9", 9), Address("192.0.2.8", 8)
SHIM_ID = 0x0102030405060708
PATIENCE = 20.0


class Case:
    """The runner's end of one case: a listening socket, and the shim, a process started with the flags of the case."""

    def __init__(self, *flags: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        port = str(self.listener.getsockname()[1])
        command = [sys.executable, "-m", "tests.peers.bogo_shim", "-port", port, "-shim-id", str(SHIM_ID), "-dtls"]
        self.process = subprocess.Popen(
            [*command, *flags], cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.events: list[object] = []
        self.now = 0.0

    def accept(self) -> None:
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(PATIENCE)
        self.reader = self.connection.makefile("rb")
        assert int.from_bytes(self.reader.read(8), "little") == SHIM_ID

    def say(self, opcode: bytes, number: int, size: int, rest: bytes = b"") -> None:
        self.connection.sendall(opcode + number.to_bytes(size, "big") + rest)

    def send(self, datagram: bytes) -> None:
        self.say(b"P", len(datagram), 4, datagram)

    def hear(self) -> bytes | None:
        """The next datagram; empty for the acknowledgement of time; None when the shim has nothing more to say."""
        opcode = self.reader.read(1)
        if opcode != b"P":
            assert opcode in (b"t", b"")
            return b"" if opcode else None
        return self.reader.read(int.from_bytes(self.reader.read(4), "big"))

    def hear_until_time(self) -> list[bytes]:
        return list(iter(self.hear, b""))  # type: ignore[arg-type]

    def hear_hello(self) -> list[bytes]:
        """The datagrams of one whole message in the clear."""
        datagrams = []
        while data := self.hear():
            datagrams.append(data)
            (record,) = dtls.parse(data)
            (fragment,) = dtls.fragments(record.payload)
            if fragment.offset + len(fragment.body) == fragment.length:
                break
        return datagrams

    def play(self, machine: Endpoint, until: type[object]) -> Any:
        """Let the machine talk to the shim until this happens to it; that event."""
        while True:
            for datagram in machine.transmits():
                self.send(datagram.data)
            for event in machine.events():
                self.events.append(event)
                if isinstance(event, until):
                    return event
            data = self.hear()
            assert data is not None, (self.events, self.process.communicate())
            machine.receive_datagram(Datagram(data, RUNNER, SHIM), self.now)

    def end(self) -> tuple[int, str]:
        """Hang up; what the shim ends with, and what it says about it."""
        self.connection.shutdown(socket.SHUT_WR)
        while self.reader.read(4096):
            pass
        return self.result()

    def result(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors.strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.listener.close()
        if hasattr(self, "connection"):
            self.reader.close()
            self.connection.close()


@pytest.fixture
def cases() -> Iterator[list[Case]]:
    made: list[Case] = []
    yield made
    for case in made:
        case.close()


def started(cases: list[Case], *flags: str) -> Case:
    cases.append(Case(*flags))
    cases[-1].accept()
    return cases[-1]


def machine(role: Any, **settings: Any) -> Endpoint:
    dice = random.Random(f"{role} of the runner").randbytes
    made = Endpoint(
        role=role,
        certificate=Certificate.generate(dice, now_wall=1_800_000_000.0),
        dice=dice,
        local=RUNNER,
        remote=SHIM,
        address_verified=True,
        **settings,
    )
    made.start(0.0)
    return made


ROLES = {"client": ["-server"], "server": []}
VERSIONS = {"1.2 only": "65277", "1.3 only": "65276"}


def connected(cases: list[Case], role: str, version: Any, *flags: str, **settings: Any) -> tuple[Case, Endpoint]:
    case = started(cases, *ROLES[role], "-max-version", VERSIONS[version], *flags)
    ours = machine(role, versions=version, **settings)
    assert case.play(ours, Connected).version == version[:3]
    return case, ours


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("role", ROLES)
def test_what_is_said_comes_back_inverted(cases: list[Case], role: str, version: str) -> None:
    case, ours = connected(cases, role, version, "-async", "-verify-peer", "-expect-version", VERSIONS[version])
    for data in (b"\x00\x42\xff", bytes(1000)):
        ours.send(data, 0.0)
        assert case.play(ours, Received) == Received(bytes(octet ^ 0xFF for octet in data))
    ours.close(0.0)
    for datagram in ours.transmits():
        case.send(datagram.data)
    assert case.end() == (0, "")


def test_new_keys_on_the_way(cases: list[Case]) -> None:
    case, ours = connected(cases, "client", "1.3 only", "-key-update")
    for _ in range(3):
        ours.send(b"\0", 0.0)
        assert case.play(ours, Received) == Received(b"\xff")
    assert case.end() == (0, "")


def test_what_the_shim_says_of_itself(cases: list[Case]) -> None:
    flags = ["-export-keying-material", "40", "-export-label", "label", "-export-context", "", "-shim-writes-first"]
    case, ours = connected(
        cases, "server", "1.3 only", *flags, "-srtp-profiles", "SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32"
    )
    agreed = next(event for event in case.events if isinstance(event, Connected))
    assert agreed.srtp_profile == AES128_CM_SHA1_80
    assert case.play(ours, Received) == Received(ours.export(b"label", 40))
    assert case.play(ours, Received) == Received(b"hello")
    assert case.end() == (0, "")


def test_the_shim_goes_first(cases: list[Case]) -> None:
    case, ours = connected(cases, "client", "1.2 only", "-shim-shuts-down")
    assert case.play(ours, Closed) == Closed()
    assert case.end() == (0, "")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("needed", [False, True])
def test_a_client_without_a_certificate(
    cases: list[Case], version: str, needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client12, "ECDSA_SIGN", 99)  # nothing that the server asks for can be signed
    monkeypatch.setattr(client13, "ECDSA_SHA256", 99)
    flags = ["-require-any-client-certificate"] if needed else ["-expect-no-peer-cert"]
    case = started(cases, "-server", "-max-version", VERSIONS[version], *flags)
    ours = machine("client", versions=version)
    case.play(ours, Failed if needed and version == "1.2 only" else Connected)
    if needed and version == "1.3 only":
        case.play(ours, Failed)
    alert = "handshake_failure" if version == "1.2 only" else "certificate_required"
    code, errors = case.end()
    assert (code, errors[:40]) == ((1, f"we refused: {alert}: the peer has no certificate"[:40]) if needed else (0, ""))


# --- time and sizes -------------------------------------------------------------------------------


def test_time_passes_when_the_runner_says_so(cases: list[Case]) -> None:
    case = started(cases, "-mtu", "500", "-initial-timeout-duration-ms", "250")
    assert 300 < max(map(len, case.hear_hello())) <= 500
    case.say(b"E", 250_000_000, 8)
    case.say(b"T", 249_000_000, 8)
    assert case.hear_until_time() == []
    case.say(b"M", 300, 4)
    case.say(b"T", 1_000_000, 8)
    assert case.hear_until_time() == []  # what is said because of the time is said after it
    assert max(map(len, case.hear_hello())) <= 300
    case.say(b"E", 500_000_000, 8)
    assert case.end() == (1, "the runner hung up during the handshake")


@pytest.mark.parametrize(("wanted", "words"), [(1, "the timer runs out in 0.4 s"), (2**64 - 1, "should in None")])
def test_a_timer_that_is_not_as_the_case_has_it(cases: list[Case], wanted: int, words: str) -> None:
    case = started(cases)
    case.say(b"E", wanted, 8)
    code, errors = case.end()
    assert code == 1
    assert words in errors


def test_an_endpoint_without_a_timer(cases: list[Case]) -> None:
    case = started(cases, "-server")
    case.say(b"E", 2**64 - 1, 8)
    case.say(b"T", 10**9, 8)
    assert case.hear_until_time() == []
    assert case.end() == (1, "the runner hung up during the handshake")


# --- how a case ends ------------------------------------------------------------------------------


def test_an_expectation_that_does_not_hold(cases: list[Case]) -> None:
    case = started(cases, "-server", "-max-version", "65277", "-expect-version", "65276")
    case.play(machine("client", versions="1.2 only"), Connected)
    assert case.end() == (1, "version is 65277, and should be 65276")


def test_who_refused(cases: list[Case]) -> None:
    case = started(cases, "-server", "-max-version", "65277")
    assert case.play(machine("client", versions="1.3 only"), Failed).alert == "protocol_version"
    assert case.end() == (1, "we refused: protocol_version: the client does not offer DTLS 1.2")
    case = started(cases, "-max-version", "65277")
    case.play(machine("server", versions="1.3 only"), Failed)
    assert case.end() == (1, "the runner refused: protocol_version")


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"?", "no frame begins with b'?'"),
        (b"P\0\0", "the connection ends within a frame"),
        (b"P\0\0\0\x09short", "the connection ends within a frame"),
        (b"P\xff\xff\xff\xff", "a datagram of 4294967295 octets"),
    ],
)
def test_what_is_no_frame(cases: list[Case], octets: bytes, words: str) -> None:
    case = started(cases, "-server")
    case.connection.sendall(octets)
    assert case.end() == (1, words)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-never-heard-of"], "left out: -never-heard-of: nobody has said why"),
        (["-psk", "secret"], "left out: -psk: no pre-shared keys"),
        (["-resume-count", "1"], "left out: -resume-count: no session is ever resumed, and no ticket given"),
        (["-max-version", "65279"], "left out: DTLS 1.0: DTLS 1.0: only 1.2 and 1.3 are spoken"),
    ],
)
def test_what_we_do_not_have(cases: list[Case], flags: list[str], words: str) -> None:
    cases.append(Case(*flags))
    assert cases[-1].result() == (89, words)


def test_a_first_wait_that_changes_later(cases: list[Case]) -> None:
    case = started(cases)
    case.say(b"U", 100, 4)
    assert case.end()[0] == 89


def test_an_account_is_kept_of_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOGO_ACCOUNT", str(tmp_path / "account"))
    command = [sys.executable, "-m", "tests.peers.bogo_shim", "-dtls", "-psk", "secret"]
    for _ in range(2):
        assert subprocess.run(command, cwd=TREE, env=dict(os.environ), capture_output=True).returncode == 89
    assert (tmp_path / "account").read_text() == 2 * "no pre-shared keys\n"


def test_no_second_process_makes_handshakes() -> None:
    command = [sys.executable, "-m", "tests.peers.bogo_shim", "-is-handshaker-supported"]
    assert subprocess.run(command, cwd=TREE, capture_output=True, text=True).stdout == "No\n"


# --- the list, and the frames ---------------------------------------------------------------------


def test_the_list_of_what_is_left_out_says_why() -> None:
    reasons = [*LEFT_OUT["DisabledTests"].values(), *LEFT_OUT["FlagsLeftOut"]]
    assert all(len(reason.split()) >= 3 for reason in reasons)
    for pattern in LEFT_OUT["DisabledTests"]:
        assert "DTLS" in pattern or "-" in pattern  # none is so wide that it leaves out everything
        assert len(pattern.replace("*", "")) >= 5
    flags = [flag for flags in LEFT_OUT["FlagsLeftOut"].values() for flag in flags]
    assert len(flags) == len(set(flags))
    taken = set(bogo_flags.VALUES) | set(bogo_flags.SWITCHES)
    assert set(flags) & taken == {"-resume-count"}  # it is taken where nothing is to be resumed


def test_the_map_of_errors_names_alerts() -> None:
    for ours in LEFT_OUT["ErrorMap"].values():
        for words in ours:
            who, alert = words.split(": ")
            assert who in ("we refused", "the runner refused")
            assert alert in ALERT_NUMBERS


@given(st.binary(max_size=64))
def test_any_octets_are_frames_or_not(octets: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(octets)
        theirs.shutdown(socket.SHUT_WR)
        packets, frames = Packets(ours), 0
        try:
            while packets.read() is not None:
                frames += 1
        except FramingBroken:
            assert octets
        assert 5 * frames <= len(octets)
        packets.close()

"""What a browser computes in handshakes of DTLS 1.3 with us: secrets that it logs, or that its records prove.

Firefox writes a key log where SSLKEYLOGFILE says, so its secrets can be compared one by one. Chromium writes none for
WebRTC; its Finished, and an INIT of SCTP that it reads and answers, need four of the five.
Stands above `browserdoor.py`; `tests/confirm/handshake13.py` asks it, `tests/captured/record_secrets.py` keeps what it
said. Leaves out: the exporter of Chromium, which media would need. Read next: tests/captured/record_secrets.py.
"""

from __future__ import annotations

import hmac
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from meetref.protocol import keyschedule13
from meetref.wire import tls
from tests.confirm.browserdoor import answers, init, open_door
from tests.confirm.browserlies import FIRST, fingerprint_of_peer, pass_on, setup_of_peer, until_found
from tests.confirm.refusals import Telling
from tests.confirm.witness import Ask, Case, Entries, Witness, asked, is_wanted
from tests.generate.dtlslies import Lie
from tests.peer_registry import why_absent
from tests.peers.browsers import BROWSERS, Browser
from tests.peers.sdp_conversations import served_page

VARIABLE = "SSLKEYLOGFILE"
PATIENCE = 20.0
LABELS = {
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": "client_handshake",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": "server_handshake",
    "CLIENT_TRAFFIC_SECRET_0": "client_application",
    "SERVER_TRAFFIC_SECRET_0": "server_application",
    "EXPORTER_SECRET": "exporter",
}
"""As a key log has them, and as the vectors do."""

HYBRID = tls.X25519_ML_KEM_768
HANDSHAKES = (
    ("client", HYBRID, tls.AES_128_GCM),
    ("client", tls.X25519, tls.CHACHA20_POLY1305),
    ("client", tls.P_256, tls.AES_128_GCM),  # it sends no share of that group: a HelloRetryRequest
    ("server", HYBRID, tls.AES_128_GCM),
    ("server", tls.P_384, tls.CHACHA20_POLY1305),
)
"""The browser's role, the group, and the suite."""

MORE = {"chromium": (("client", tls.X25519, tls.AES_256_GCM), ("server", tls.P_384, tls.AES_256_GCM))}
"""What Firefox does not speak there: the suite with SHA-384."""


HOW = {
    "firefox": "in handshakes with us it logs the secrets that these steps give",
    "chromium": "handshakes with us complete, and data pass both ways, with the keys that these steps give",
}
Ladder = Callable[[str, dict[str, Any], Callable[..., bytes], Callable[..., bytes]], dict[str, bytes]]
"""Every step from a shared secret, by the hash's name, what is given, and the two halves of HKDF."""


@dataclass
class Agreement:
    """One handshake: what the schedule is given, and what the browser logged of it, by the names of the vectors."""

    role: str
    group: int
    suite: int
    given: dict[str, Any] = field(default_factory=dict)
    logged: dict[str, str] = field(default_factory=dict)


def confirm(data: dict[str, Any], ladder: Ladder) -> Entries:
    """An entry for each browser on this machine: its handshakes of now are held against the steps of `ladder`."""
    entries: Entries = []
    for name in BROWSERS:
        told = [group for group in data["groups"] if _is_of(name, group) and is_wanted(data, group, name.capitalize())]
        if told and why_absent(name) is None:
            version, agreements = trio.run(agree, name)
            witness = _witness(name, version, _judge(name, agreements, ladder))
            entries += asked(data, witness)
    return entries


def _witness(name: str, version: str, ask: Ask) -> Witness:
    return Witness(name.capitalize(), lambda: version, {"ladder": HOW[name]}, ask)


def _judge(name: str, agreements: list[Agreement], ladder: Ladder) -> Ask:
    def ask(operation: str, cases: list[Case]) -> None:
        assert all(case["comment"].startswith(f"{name.capitalize()} ") for case in cases), "handshakes of others"
        for each in agreements:
            computed = ladder(each.given["hash"], each.given, _extract, _expand)
            assert len(each.logged) == (len(LABELS) if name == "firefox" else 0), "what it logged"
            assert {label: computed[label].hex() for label in each.logged} == each.logged, "other secrets"

    return ask


def _is_of(name: str, group: dict[str, Any]) -> bool:
    return group["provenance"] == "captured" and group["tests"][0]["comment"].startswith(name.capitalize())


def _extract(name: str, salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt, secret, name)


def _expand(name: str, secret: bytes, info: bytes, size: int) -> bytes:
    return HKDFExpand({"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}[name], size, info).derive(secret)


async def agree(name: str) -> tuple[str, list[Agreement]]:
    """The version of that browser, and the handshakes that it completed with us."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {VARIABLE: f"{folder}/keys"}):
        async with BROWSERS[name]() as browser, served_page() as url:
            await browser.open(url)
            found = [await _patiently(browser, *wanted) for wanted in (*HANDSHAKES, *MORE.get(name, ()))]
            version = browser.version
        log = Path(folder) / "keys"
        secrets = _read(log.read_text()) if log.exists() else {}
    for agreement, random in found:
        agreement.logged = secrets.get(random, {})
    return version, [agreement for agreement, _ in found]


def _read(text: str) -> dict[str, dict[str, str]]:
    """By client random."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] in LABELS:
            found.setdefault(words[1], {})[LABELS[words[0]]] = words[2]
    return found


async def _patiently(browser: Browser, role: str, group: int, suite: int) -> tuple[Agreement, str]:
    """Once more where a busy machine was too slow."""
    try:
        return await _agree(browser, role, group, suite)
    except trio.TooSlowError:
        return await _agree(browser, role, group, suite)


async def _agree(browser: Browser, role: str, group: int, suite: int) -> tuple[Agreement, str]:
    agreement, lines = Agreement(role, group, suite), list[str]()
    began = trio.current_time()
    said: list[bytes] = []
    settings = {"groups": (group,), "suites": (suite,)}
    talk = Telling("1.3", role, Lie("", "", "", liar=settings), said.append)
    talk.liar._epochs._key_log = lines.append

    def now() -> float:
        return trio.current_time() - began

    def hear(data: bytes) -> None:
        talk.hear(data, now())

    with _overheard(agreement):
        async with open_door(browser, fingerprint_of_peer(role), setup_of_peer(role), hear) as (door, _):
            await until_found(door)
            talk.flush()
            asks_at = 0.0
            with trio.fail_after(PATIENCE):
                while not any(answers(data, FIRST) for data in talk.received):
                    if talk.connected and now() >= asks_at:
                        asks_at = now() + 0.5
                        talk.liar.send(init(FIRST), now())
                        talk.flush()
                    await pass_on(door, said)
                    with trio.move_on_after(0.1):
                        await door.take()
                    talk.wait(now())
    return agreement, lines[0].split()[1]


@contextmanager
def _overheard(agreement: Agreement) -> Iterator[None]:
    """Keep what our side is given to compute its secrets from."""
    middle, last = keyschedule13.handshake_secrets, keyschedule13.application_secrets

    def hear_middle(suite: keyschedule13.Suite, shared: bytes, transcript: bytes) -> Any:
        agreement.given |= {"hash": suite.hash_name, "suite": suite.number, "shared_secret": shared.hex()}
        agreement.given["transcript_to_server_hello"] = transcript.hex()
        return middle(suite, shared, transcript)

    def hear_last(suite: keyschedule13.Suite, secrets: Any, transcript: bytes) -> Any:
        agreement.given["transcript_to_server_finished"] = transcript.hex()
        return last(suite, secrets, transcript)

    with (
        patch.object(keyschedule13, "handshake_secrets", hear_middle),
        patch.object(keyschedule13, "application_secrets", hear_last),
    ):
        yield

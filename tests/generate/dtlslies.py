"""Two endpoints of which one lies: it says something otherwise, believes to have said just that, and is heard out.

A lie is told to an endpoint of ours for the vectors, and to programs of others by tests/confirm. Whoever lies keeps its
own lie in its transcript, so that signatures and Finished stay right and only what is meant to be wrong is.
Stands below `tests/generate/{handshake12,handshake13}refusals.py` and `dtlsstrays.py`.
Read next: tests/generate/handshake13refusals.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from meetref.protocol import dtls as door
from meetref.protocol import handshake12, handshake13
from meetref.protocol.association import Closed, Connected, Failed
from meetref.protocol.certificate import Certificate
from meetref.protocol.conversation13 import Policy
from meetref.protocol.machine import Datagram
from meetref.protocol.reassembly import Message
from meetref.wire import handshake12 as wire12
from meetref.wire import handshake13 as wire13
from meetref.wire.address import Address
from meetref.wire.extension import Extension, UnknownExtension

CLIENT, SERVER = Address("192.0.2.1", 5000), Address("198.51.100.2", 6000)
NOW_WALL = 1_800_000_000.0
WIRES: dict[str, Any] = {"1.2": wire12, "1.3": wire13}
PROFILES = (8, 7, 1)


@dataclass(frozen=True)
class Said:
    """A handshake message by its octets, for what no serializer would write. `epoch` None is the usual one."""

    kind: int
    body: bytes
    epoch: int | None = None


Tell = Callable[[Any], Sequence[Any]]
"""From a message that an honest endpoint would say to those that are said instead, as values or `Said`."""


@dataclass(frozen=True)
class Lie:
    """What is wrong (`comment`), and what must come of it: `reaction` is an alert, or "abort".

    `tells` changes what the liar says, `knowing` makes such a function of what it has heard, `afterwards` makes
    datagrams once both are connected. `allowed` are other alerts (or "drop") for which the documents leave room;
    `victim` and `liar` are settings of the two.
    """

    comment: str
    reqs: str
    reaction: str
    tells: Tell | None = None
    knowing: Callable[[Any], Tell] | None = None
    afterwards: Callable[[Any], list[bytes]] | None = None
    allowed: str = ""
    victim: dict[str, Any] = field(default_factory=dict)
    liar: dict[str, Any] = field(default_factory=dict)


# --- ways to lie ----------------------------------------------------------------------------------


def edit(kind: type[Any], change: Callable[[Any], Any]) -> Tell:
    """Messages of that kind as `change` has them: one, some, or none."""

    def tell(message: Any) -> Sequence[Any]:
        changed = change(message) if isinstance(message, kind) else message
        return changed if isinstance(changed, list) else [changed]

    return tell


def put(kind: type[Any], **fields: Any) -> Tell:
    return edit(kind, lambda message: replace(message, **fields))


def octets(kind: type[Any], change: Callable[[bytes], bytes], version: str) -> Tell:
    """The body of a message, changed as octets."""
    wire = WIRES[version]
    return edit(kind, lambda message: Said(wire.message_number(message), change(wire.serialize(message))))


def without(kind: type[Any], *gone: type[Extension]) -> Tell:
    return edit(kind, lambda m: replace(m, extensions=tuple(e for e in m.extensions if not isinstance(e, gone))))


def adding(kind: type[Any], *new: Extension) -> Tell:
    return edit(kind, lambda m: replace(m, extensions=(*m.extensions, *new)))


def instead(kind: type[Any], *new: Extension) -> Tell:
    """With these extensions instead of the ones of the same classes."""
    gone = tuple(type(each) for each in new)
    return edit(kind, lambda m: replace(m, extensions=(*(e for e in m.extensions if not isinstance(e, gone)), *new)))


def raw_extension(kind: type[Any], gone: type[Extension], number: int, body: str) -> Tell:
    """With an extension by its octets instead of the proper one."""
    new = UnknownExtension(number, bytes.fromhex(body))
    return edit(kind, lambda m: replace(m, extensions=(*(e for e in m.extensions if not isinstance(e, gone)), new)))


def omitting(kind: type[Any]) -> Tell:
    return edit(kind, lambda message: [])


def before(kind: type[Any], *more: Any) -> Tell:
    return edit(kind, lambda message: [*more, message])


def twice(kind: type[Any]) -> Tell:
    return edit(kind, lambda message: [message, message])


def flipped(data: bytes, at: int = -1) -> bytes:
    """One bit of one octet changed."""
    at %= len(data)
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


# --- the two sides --------------------------------------------------------------------------------


def certificate(role: str) -> Certificate:
    return Certificate.generate(random.Random(f"certificate {role}").randbytes, now_wall=NOW_WALL)


CERTIFICATES = {role: certificate(role) for role in ("client", "server")}


def certificate_values(role: str) -> dict[str, str]:
    """A certificate and its key (PKCS #8), as JSON has them."""
    key = CERTIFICATES[role]._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {"der": CERTIFICATES[role].der.hex(), "key": key.hex()}


def read_certificate(values: dict[str, str]) -> Certificate:
    key = load_der_private_key(bytes.fromhex(values["key"]), None)
    return Certificate(key, bytes.fromhex(values["der"]))  # type: ignore[arg-type]  # it is one of P-256


def endpoint(
    version: str, role: Any, dice: Callable[[int], bytes], own: Certificate, settings: dict[str, Any], log: list[str]
) -> Any:
    """An endpoint of that version ("any": 1.3 preferred). `settings` are as the vectors tell them."""
    here, there = (CLIENT, SERVER) if role == "client" else (SERVER, CLIENT)
    given: dict[str, Any] = {"role": role, "certificate": own, "dice": dice, "local": here, "remote": there}
    given |= {"key_log": log.append, "address_verified": settings.get("address_verified", True)}
    given |= {"maximum_datagram": settings.get("maximum_datagram", 1200)}
    profiles = tuple(settings.get("srtp_profiles", PROFILES))
    if version == "any":
        return door.Endpoint(**given, srtp_profiles=profiles)
    if version == "1.2":
        return handshake12.Endpoint(**given, srtp_profiles=profiles)
    policy = {name: tuple(settings[name]) for name in ("groups", "suites") if name in settings}
    given |= {"policy": Policy(srtp_profiles=profiles, **policy), "encapsulate": encapsulating(dice)}
    return handshake13.Endpoint(**given)


def encapsulating(dice: Callable[[int], bytes]) -> Callable[[bytes], tuple[bytes, bytes]]:
    """The encapsulation of ML-KEM-768 by kyber-py, which takes dice where the library has its own."""

    def encapsulate(key: bytes) -> tuple[bytes, bytes]:
        from kyber_py.ml_kem import ML_KEM_768

        # What the library would refuse, this would take.
        MLKEM768PublicKey.from_public_bytes(key)
        found: tuple[bytes, bytes] = ML_KEM_768._encaps_internal(key, dice(32))
        return found

    return encapsulate


def teach(liar: Any, version: str, tells: Tell) -> None:
    """From now on `liar` says each message as `tells` has it."""
    talk, wire = liar._talk, WIRES[version]

    def say(message: Any, epoch: int = 2) -> None:
        for each in tells(message):
            said = each if isinstance(each, Said) else Said(wire.message_number(each), wire.serialize(each))
            _add(talk, version, said, epoch if said.epoch is None else said.epoch)

    talk.say = say


def _add(talk: Any, version: str, said: Said, epoch: int) -> None:
    if version == "1.2":
        message = Message(said.kind, talk._next_number, said.body)
        talk._next_number += 1
        talk.transcript.append(message.octets())
        talk.turn.append(message)
    else:
        message = Message(said.kind, talk.next_number, said.body)
        talk.next_number += 1
        talk.transcript.add(said.kind, said.body)
        talk.turn.append((epoch, message))


class Scene:
    """A lie being told to a victim whose dice come from a seed; `steps` is what the vector will have."""

    def __init__(self, version: str, role: str, lie: Lie, *, liar_version: str | None = None) -> None:
        self.version, self.role, self.lie = version, role, lie
        self.dice: list[bytes] = []
        self.key_log: list[str] = []
        self.steps: list[dict[str, Any]] = []
        self.events: list[Any] = []
        source = random.Random(f"victim {version} {role}").randbytes

        def dice(size: int) -> bytes:
            self.dice.append(source(size))
            return self.dice[-1]

        self.victim = endpoint(version, role, dice, CERTIFICATES[role], lie.victim, self.key_log)
        self.liar, self.liar_version = liar_of(version, role, lie, liar_version), liar_version or version

    def play(self) -> Scene:
        """Until the victim has given up, or has heard everything."""
        for each in (self.victim, self.liar):
            each.start(0.0)
        self._exchange()
        if self.lie.afterwards is not None and not self.is_over:
            assert self.is_connected, self.lie.comment
            self.steps.append({"at_ms": 0, "expect": {"connected": True}})
            for data in self.lie.afterwards(self.liar):
                self._hear(data)
                self._drain()
        return self

    def _exchange(self) -> None:
        for _ in range(12):
            self._drain()
            for datagram in list(self.liar.transmits()):
                if self.is_over:
                    return
                self._hear(datagram.data)
                self._drain()

    def _hear(self, data: bytes) -> None:
        self.steps.append({"at_ms": 0, "receive": {"hex": data.hex()}})
        self.victim.receive_datagram(Datagram(data, self.victim.local, self.victim.remote), 0.0)

    def _drain(self) -> None:
        sent = [datagram.data for datagram in self.victim.transmits()]
        self.events += self.victim.events()
        if sent:
            values = [{"hex": data.hex()} for data in sent]
            self.steps.append({"at_ms": 0, "expect": {"send": values}})
        for data in sent:
            self.liar.receive_datagram(Datagram(data, self.liar.local, self.liar.remote), 0.0)

    @property
    def is_connected(self) -> bool:
        return any(isinstance(event, Connected) for event in self.events)

    @property
    def is_over(self) -> bool:
        return any(isinstance(event, Failed | Closed) for event in self.events)

    def heard(self) -> str | None:
        """The alert that came back to the liar."""
        return next((event.alert for event in self.liar.events() if isinstance(event, Failed)), None)


def liar_of(version: str, role: str, lie: Lie, liar_version: str | None = None) -> Any:
    """Who lies to the side `role`."""
    other = "server" if role == "client" else "client"
    source = random.Random(f"liar {version} {other}").randbytes
    liar = endpoint(liar_version or version, other, source, CERTIFICATES[other], lie.liar, [])
    tells = lie.tells if lie.knowing is None else lie.knowing(liar._talk)
    if tells is not None:
        teach(liar, liar_version or version, tells)
    return liar

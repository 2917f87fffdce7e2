"""Makes vectors/sessions: whole conversations as captures, told on the virtual network from a seed.

Virtual time begins at 0 and every key comes from seeded dice, so a story told again gives the same octets.
`tests/vectors/test_sessions.py` tells them all again and compares.
Read next: tests/stories/people.py (the server of a story), tests/generate/sessiontexts.py (what the READMEs say).
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import trio
from kyber_py.ml_kem import ML_KEM_768
from trio.testing import MockClock

from meetref.app import deflate, server
from meetref.app.bot import Behaviour, hum_light, show_light
from meetref.app.client import open_client
from meetref.app.vectorset import canonical
from meetref.net.capture import in_order
from meetref.net.decrypt import Conversation, Decryption, in_the_clear, masters_of
from meetref.net.decrypt import secrets_of as logged_secrets
from meetref.net.driver import drive_socket
from meetref.net.virtual import VirtualNetwork, seed_trio
from meetref.net.virtualhost import WALL_CLOCK_AT_START, VirtualHost, is_loopback
from meetref.net.virtuallink import Impairments
from meetref.protocol import dtls, handshake12, ice, keyschedule, keyschedule13, offering
from meetref.protocol.certificate import Certificate
from meetref.protocol.negotiation import VP8
from meetref.wire import signaling
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from meetref.wire.pcapng import Block, Interface, Packet, Secrets, serialize
from tests.generate.mediasessions import MEDIA_STORIES
from tests.generate.overhearing import overheard
from tests.generate.pathsessions import PATH_STORIES
from tests.generate.sessiontexts import TEXTS, readme
from tests.generate.told import Story, Told
from tests.stories.people import Meeting, meeting

FOLDER = Path(__file__).parent.parent.parent / "vectors" / "sessions"
WAY = Impairments(delay=0.015)
LOSSY = Impairments(delay=0.025, loss=0.06)
ALICE, BOB = "192.0.2.10", "192.0.2.20"
BARE: dict[str, Any] = {"dtls_versions": "1.2 only", "embeds_handshake": False}
"""A handshake that every version of Wireshark finds, and reads."""

# --- stories with a server ----------------------------------------------------------------------------


async def attend(
    told: Told, scene: Meeting, name: str, address: str, way: Impairments, stays: float, *, watched: bool = True
) -> None:
    """Somebody is in the room for so many seconds, shows and says something, and leaves."""
    host = told.know(scene.network.host(name, address))
    if watched:
        told.watch(host)
    scene.network.connect(host, scene.host, way)
    join = signaling.Join(room="algebra", name=name, microphone="on", camera="on")
    async with (
        open_client(host, scene.address, join, **BARE) as client,
        trio.open_nursery() as nursery,
    ):
        await client.publish(["microphone", "camera"])
        behaviour = Behaviour(name=name, light=True)
        nursery.start_soon(show_light, client.senders["camera"], behaviour)
        nursery.start_soon(hum_light, client.senders["microphone"], behaviour)
        await trio.sleep(stays)
        nursery.cancel_scope.cancel()


async def whole_call(told: Told, seed: int) -> None:
    async with (
        meeting(seed, key_log=told.capture.key_log, **BARE) as scene,
        trio.open_nursery() as nursery,
    ):
        told.know(scene.host)
        nursery.start_soon(attend, told, scene, "alice", ALICE, WAY, 2.0)
        await trio.sleep(0.3)
        await attend(told, scene, "bob", BOB, WAY, 1.4)
        await trio.sleep(0.5)


async def lossy_repair(told: Told, seed: int) -> None:
    async with (
        meeting(seed, key_log=told.capture.key_log, **BARE) as scene,
        trio.open_nursery() as nursery,
    ):
        told.know(scene.host)
        told.watch(scene.host)
        nursery.start_soon(partial(attend, watched=False), told, scene, "alice", ALICE, WAY, 1.8)
        await trio.sleep(0.2)
        await attend(told, scene, "bob", BOB, LOSSY, 1.5)
        await trio.sleep(0.3)


# --- stories of two machines --------------------------------------------------------------------------

PORTS = {"alice": Address(ALICE, 5000), "bob": Address(BOB, 6000)}


async def between_two(
    told: Told, seed: int, machine: Callable[[str, VirtualHost], Any], lasts: float, watched: Sequence[str]
) -> None:
    """One machine each for alice and bob, on sockets of their own; alice closes hers after so many seconds."""
    seed_trio(seed)
    network = VirtualNetwork(seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        hosts = {name: told.know(network.host(name, place.host)) for name, place in PORTS.items()}
        network.connect(hosts["alice"], hosts["bob"], WAY)
        for name in watched:
            told.watch(hosts[name])
        for name in ("bob", "alice"):  # who waits is there first
            socket = await hosts[name].open_datagram(PORTS[name])
            each = machine(name, hosts[name])
            if isinstance(each, handshake12.Endpoint | dtls.Endpoint):
                each.start(trio.current_time())
            driver = await nursery.start(drive_socket, each, socket, lambda event: None)
        await trio.sleep(lasts)
        each.close(trio.current_time())
        driver.turn(trio.current_time())
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()


def candidate_of(place: Address) -> Candidate:
    return Candidate("1", 1, "udp", 126 << 24 | 65535 << 8 | 255, place.host, place.port, "host")


async def stun_check(told: Told, seed: int) -> None:
    dice = {name: random.Random(f"{seed} {name}").randbytes for name in PORTS}
    credentials = {name: ice.make_credentials(dice[name]) for name in PORTS}
    told.credentials = {
        name: {"ufrag": each.ufrag, "password": each.password} for name, each in credentials.items()
    }  # fmt: skip

    def agent(name: str, host: VirtualHost) -> ice.Agent:
        other = "bob" if name == "alice" else "alice"
        made = ice.Agent(controlling=name == "alice", credentials=credentials[name], dice=dice[name])
        made.add_local_candidate(candidate_of(PORTS[name]), 0.0)
        made.set_remote_credentials(credentials[other], 0.0)
        if name == "alice":  # bob is not told: he finds alice by her check, as a peer-reflexive candidate
            made.add_remote_candidate(candidate_of(PORTS[other]), 0.0)
            made.end_of_remote_candidates(0.0)
        return made

    await between_two(told, seed, agent, 6.0, ["alice", "bob"])


async def dtls12_handshake(told: Told, seed: int) -> None:
    def endpoint(name: str, host: VirtualHost) -> handshake12.Endpoint:
        other = "bob" if name == "alice" else "alice"
        return handshake12.Endpoint(
            role="client" if name == "alice" else "server",
            certificate=Certificate.generate(host.dice, now_wall=WALL_CLOCK_AT_START),
            dice=host.dice,
            local=PORTS[name],
            remote=PORTS[other],
            address_verified=False,
            key_log=told.capture.key_log,
            maximum_datagram=280,
        )

    with agreements_overheard(told):
        await between_two(told, seed, endpoint, 1.0, ["alice"])


async def dtls13_handshake(told: Told, seed: int) -> None:
    def endpoint(name: str, host: VirtualHost) -> dtls.Endpoint:
        def encapsulate(key: bytes) -> tuple[bytes, bytes]:
            found: tuple[bytes, bytes] = ML_KEM_768._encaps_internal(key, host.dice(32))  # the library takes no dice
            return found

        other = "bob" if name == "alice" else "alice"
        return dtls.Endpoint(
            role="client" if name == "alice" else "server",
            certificate=Certificate.generate(host.dice, now_wall=WALL_CLOCK_AT_START),
            dice=host.dice,
            local=PORTS[name],
            remote=PORTS[other],
            address_verified=False,
            key_log=told.capture.key_log,
            encapsulate=encapsulate,
        )

    with agreements_overheard(told):
        await between_two(told, seed, endpoint, 1.0, ["alice"])


@contextmanager
def agreements_overheard(told: Told) -> Iterator[None]:
    """Keep what both sides compute alone, and no key log has: the result of the key agreement."""
    older, newer = keyschedule.extended_master_secret, keyschedule13.handshake_secrets

    def heard_older(premaster: bytes, *more: Any) -> bytes:
        told.shared_secret = premaster
        return older(premaster, *more)

    def heard_newer(suite: keyschedule13.Suite, shared_secret: bytes, transcript: bytes) -> Any:
        told.shared_secret = shared_secret
        return newer(suite, shared_secret, transcript)

    with (
        patch.object(keyschedule, "extended_master_secret", heard_older),
        patch.object(keyschedule13, "handshake_secrets", heard_newer),
    ):
        yield


# --- a story becomes a folder -------------------------------------------------------------------------


STORIES = PATH_STORIES | MEDIA_STORIES | {
    "whole-call": Story(
        whole_call, 1, "Two people in a room for two seconds", ("stun", "ice", "dtls", "handshake12", "rtp", "rtcp"),
        ("handshake12/srtp-key-order", "ice/nomination", "multiplex/first-octet", "multiplex/rtcp-packet-types",
         "rtcp/round-trip", "vp8/frame-size"),
    ),
    "stun-check": Story(
        stun_check, 2, "Two agents find a path: checks, nomination, consent", ("stun", "ice"),
        ("ice/check-protected", "ice/nomination", "ice/peer-reflexive-remote", "ice/triggered-check"),
    ),
    "dtls12-handshake": Story(
        dtls12_handshake, 3, "DTLS 1.2 with a cookie, fragments, and a certificate on both sides",
        ("dtls", "handshake12"),
        ("dtls/any-order", "handshake12/cookie-stateless", "handshake12/flights", "handshake12/srtp-key-order"),
    ),
    "dtls13-handshake": Story(
        dtls13_handshake, 13, "DTLS 1.3 with a cookie, a post-quantum key agreement, and a certificate on both sides",
        ("dtls", "handshake13"),
        ("dtls/unified-protection", "handshake13/cookie-returned", "handshake13/hybrid-order",
         "handshake13/key-schedule", "handshake13/retry-transcript"),
    ),
    "lossy-repair": Story(
        lossy_repair, 218, "One of two people loses six packets in a hundred: NACK, RTX, PLI", ("rtp", "rtcp"),
        ("rtcp/nack-bitmask", "rtcp/pli-is-bare", "rtp/rtx-original-sequence",
         "rtp/rtx-own-sequence", "rtp/rtx-same-timestamp"),
    ),
}  # fmt: skip


def tell(name: str) -> Told:
    """Tell one story from its beginning.

    Nobody in it offers extended reports, and pictures are VP8 alone: tutorials count and quote the packets of these
    captures, which are about other things, and their descriptions are to be read. Nor is signaling compressed: how long
    that makes a message is zlib's choice, and what is lost beside it would hang on its version.
    """
    story, told = STORIES[name], Told()

    async def run() -> None:
        alone, plain = patch.object(server, "rank", lambda wanted: (VP8,)), patch.object(deflate, "WORTH_IT", math.inf)
        with overheard(told), patch.object(offering, "ROUND_TRIP", ()), alone, plain:
            await story.tell(told, story.seed)

    trio.run(run, clock=MockClock(autojump_threshold=0))
    return told


def without_foreign_secrets(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, but for secrets of handshakes that are not among them: those on ports that nobody watched."""
    packets = [block.data for block in blocks if isinstance(block, Packet)]
    randoms = {random for _, random in logged_secrets(blocks)}
    seen = {random.hex().encode() for random in randoms if any(random in data for data in packets)}
    return [block for block in blocks if not isinstance(block, Secrets) or block.data.split()[1] in seen]


def secrets_of(told: Told, conversations: list[Conversation]) -> dict[str, Any]:
    """All that is secret, as numbers: for a reader without our key schedule."""
    found = []
    lines = logged_secrets(without_foreign_secrets(told.blocks))
    for each in conversations:
        keys, session = each.client_keys, each.session
        secrets: dict[str, Any]
        if session is None:
            secrets = {label.lower(): secret.hex() for (label, random), secret in sorted(lines.items())}
            secrets |= {"client_random": next(random.hex() for _, random in lines)}
        else:
            secrets = {
                "client_random": session.client_random.hex(), "server_random": session.server_random.hex(),
                "master_secret": session.master.hex(),
            }  # fmt: skip
        if told.shared_secret:
            secrets["shared_secret"] = told.shared_secret.hex()
        found.append(
            {
                "client": str(each.client), "server": str(each.server), **secrets,
                "srtp": {
                    "profile": f"{keys.profile:#06x}",
                    "client_key": keys.local_key.hex(), "client_salt": keys.local_salt.hex(),
                    "server_key": keys.remote_key.hex(), "server_salt": keys.remote_salt.hex(),
                },
            }
        )  # fmt: skip
    return {"connections": found, "ice": told.credentials}


def manifest_of(name: str, told: Told, contents: dict[str, bytes], figures: dict[str, Any]) -> dict[str, Any]:
    """The manifest, with the hash of every file: witnesses vouch for exactly these octets."""
    story = STORIES[name]
    interfaces = [block.name for block in told.blocks if isinstance(block, Interface)]
    hosts: dict[str, list[str]] = {}
    for host, owner in told.names.items():
        if owner in interfaces and not is_loopback(host):
            hosts.setdefault(owner, []).append(host)
    hashes = {f"sha256 of {file}": hashlib.sha256(data).hexdigest() for file, data in contents.items()}
    return _with_witnesses(
        name,
        {
            "schema": "session", "id": name, "version": "1.0.0", "title": story.title, "provenance": "generated",
            "seed": story.seed, "story": "meetref vectors generate", "stems": list(story.stems),
            "reqs": list(story.requirements), "figures": figures | hashes,
            "files": {file: TEXTS["files"][file] for file in contents},
            "endpoints": {
                host: {"addresses": addresses, "what": TEXTS["endpoints"][host]} for host, addresses in hosts.items()
            },
        },
    )  # fmt: skip


def _with_witnesses(name: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """Who confirmed the files that are there confirmed these, if they are the same ones."""
    path = FOLDER / name / "manifest.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    same = {key: before.get(key) for key in manifest} == json.loads(json.dumps(manifest))
    witnesses = before["verified_by"] if same else []
    provisional = {"provisional": True} if len({entry["implementation"] for entry in witnesses}) < 2 else {}
    return manifest | {"verified_by": witnesses} | provisional


@cache
def folder(name: str) -> dict[str, bytes]:
    """Every file of vectors/sessions/`name`."""
    told = tell(name)
    blocks = in_order(without_foreign_secrets(told.blocks))
    decryption = Decryption(masters_of(blocks), logged_secrets(blocks))
    plain = in_the_clear(blocks, decryption)
    packets = [block for block in plain if isinstance(block, Packet)]
    contents = {"session.pcapng": serialize(blocks)}
    if decryption.opened:
        contents["plain.pcapng"] = serialize(plain)
    contents["secrets.json"] = canonical(secrets_of(told, decryption.conversations)).encode()
    if told.descriptions:
        contents["sdp.json"] = canonical(told.descriptions).encode()
    if told.messages:
        contents["signaling.json"] = canonical({"people": told.people, "messages": told.messages}).encode()
    figures = {"packets": len(packets), "handshakes": len(decryption.conversations)}
    if told.unprotected:
        figures |= {"media packets in the clear": decryption.refused}
    else:
        figures |= {
            "media packets opened": decryption.opened, "media packets that do not open": decryption.refused,
        }  # fmt: skip
    manifest = canonical(manifest_of(name, told, contents, figures)).encode()
    names = [block.name for block in plain if isinstance(block, Interface)]
    text = readme(name, STORIES[name].title, names, packets, told.remarks).encode()
    return contents | {"README.md": text, "manifest.json": manifest}


def files() -> dict[str, bytes]:
    """Every generated file below vectors/ that is no set, by its path there."""
    return {f"sessions/{name}/{file}": data for name in STORIES for file, data in folder(name).items()}

"""Makes vectors/{handshake12,handshake13}/transcripts: the messages of a handshake, and the hash after each.

Whose keys come out wrong finds here which message went into the hash otherwise: with which header, or not at all.
Read next: tests/vectors/test_dtlstranscripts.py; tests/confirm/transcripts.py, who else agrees.
"""

from __future__ import annotations

import hashlib
from typing import Any

from meetref.protocol.conversation13 import Transcript
from meetref.protocol.keyschedule13 import SUITES
from meetref.protocol.reassembly import Message, Reassembly
from meetref.wire import dtls, tls
from meetref.wire import handshake12 as wire12
from meetref.wire.reader import Reader
from tests.generate import handshake12, handshake13
from tests.generate.handshake13 import CURVES, settings_of
from tests.generate.mediacases import Cases

NOTES = {"Restarted": ("The transcript begins anew", "what was said before does not count, or only its hash")}


def sets() -> dict[str, dict[str, Any]]:
    """Both sets."""
    return {"handshake12/transcripts": _older(), "handshake13/transcripts": _newer()}


def _older() -> dict[str, Any]:
    cases = Cases("handshake12-transcripts", NOTES)
    cases.group("transcript", "RFC 6347 sections 4.2.1 and 4.2.6, RFC 5246 section 7.4.9, RFC 7627 section 3")
    for seed, (comment, hash_name, server, tells) in enumerate(
        (
            ("behind a verified address", "sha256", {}, None),
            ("with a cookie", "sha256", {"address_verified": False}, None),
            ("with SHA-384", "sha384", {}, handshake12.OTHERS[0][2]),
        ),
        1,
    ):
        played = handshake12.Played(seed, server_settings=server, hello_tells=tells)
        messages = _plain_messages(played.datagrams)
        digests: list[str | None] = []
        heard = b""
        for message in messages:
            if message.type == wire12.HELLO_VERIFY_REQUEST:
                heard = b""  # neither it nor the hello before it counts
                digests.append(None)
                continue
            heard += message.octets()
            digests.append(hashlib.new(hash_name, heard).hexdigest())
        flags = ["Restarted"] if None in digests else []
        given = {"hash": hash_name, "messages": _told(messages)}
        cases.valid(
            comment, "extended-master-secret cookie-same-hello finished-wrong", given, {"hashes": digests}, flags
        )
    return cases.finish() | {"schema": "crypto"}


def _plain_messages(datagrams: list[tuple[str, bytes]]) -> list[Message]:
    """What both said up to Finished, each message whole, in the order of saying."""
    parts = {"client": Reassembly(), "server": Reassembly()}
    found = []
    for role, data in datagrams:
        for record in dtls.parse(data):
            if record.content_type == dtls.HANDSHAKE and not record.epoch:
                for fragment in dtls.fragments(record.payload):
                    parts[role].add(fragment)
                while (message := parts[role].take()) is not None:
                    found.append(message)
    return found


def _told(messages: list[Message]) -> list[dict[str, Any]]:
    return [{"type": each.type, "number": each.number, "body": each.body.hex()} for each in messages]


def _newer() -> dict[str, Any]:
    cases = Cases("handshake13-transcripts", NOTES)
    cases.group("transcript", "RFC 9147 section 5.2, RFC 9846 section 4.1")
    for seed, (comment, suite, client, server) in enumerate(
        (
            ("without a retry", tls.AES_128_GCM, settings_of(tls.X25519), {}),
            ("after a cookie was asked for", tls.AES_128_GCM, settings_of(tls.X25519), {"address_verified": False}),
            ("after P-384 was asked for, with SHA-384", tls.AES_256_GCM, settings_of(*CURVES, suite=tls.AES_256_GCM),
             settings_of(tls.P_384, suite=tls.AES_256_GCM)),
        ),
        1,
    ):  # fmt: skip
        messages = handshake13.Played(seed, client, server).messages
        name = SUITES[suite].hash_name
        transcript = Transcript()
        hashes = []
        for message in messages:
            transcript.add(message.type, message.body)
            if message.type == 2 and tls.parse_server_hello(Reader(message.body)).is_retry:
                transcript.replace_hello(transcript.digest_before(name))
            hashes.append(transcript.digest(name).hex())
        flags = ["Restarted"] if "asked for" in comment else []
        given = {"hash": name, "messages": _told(messages)}
        cases.valid(comment, "transcript-header retry-transcript key-schedule", given, {"hashes": hashes}, flags)
    return cases.finish() | {"schema": "crypto"}

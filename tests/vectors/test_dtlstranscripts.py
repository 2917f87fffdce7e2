"""Replays vectors/{handshake12,handshake13}/transcripts: every hash from the messages alone.

Read next: tests/generate/dtlstranscripts.py.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from meetref.protocol.conversation13 import Transcript
from meetref.protocol.reassembly import Message
from meetref.wire.tls import RETRY_RANDOM
from tests.vectors.codeccases import Vector, load, unhex


def _messages(given: dict[str, Any]) -> list[Message]:
    return [Message(each["type"], each["number"], unhex(each["body"])) for each in given["messages"]]


@pytest.mark.parametrize("vector", load("handshake12/transcripts"), ids=str)
def test_the_older_transcript_has_headers_as_if_nothing_was_cut(vector: Vector) -> None:
    heard: list[bytes] = []
    for message, wanted in zip(_messages(vector.given), vector.out["hashes"], strict=True):
        if wanted is None:
            heard.clear()
            continue
        heard.append(message.octets())
        assert hashlib.new(vector.given["hash"], b"".join(heard)).hexdigest() == wanted


@pytest.mark.parametrize("vector", load("handshake13/transcripts"), ids=str)
def test_the_newer_transcript_has_headers_of_four_octets(vector: Vector) -> None:
    transcript, name = Transcript(), vector.given["hash"]
    for message, wanted in zip(_messages(vector.given), vector.out["hashes"], strict=True):
        transcript.add(message.type, message.body)
        if message.type == 2 and message.body[2:34] == RETRY_RANDOM:
            transcript.replace_hello(transcript.digest_before(name))
        assert transcript.digest(name).hex() == wanted


def test_fragments_never_count() -> None:
    """The same messages whatever they are numbered, in 1.3; in 1.2 the numbers do count."""
    given = load("handshake13/transcripts")[0].given
    octets = b"".join(bytes((m.type,)) + len(m.body).to_bytes(3, "big") + m.body for m in _messages(given))
    last = load("handshake13/transcripts")[0].out["hashes"][-1]
    assert hashlib.new(given["hash"], octets).hexdigest() == last

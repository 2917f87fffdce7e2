"""Offers of clients that only publish or only watch, made from our own."""

from __future__ import annotations

import re

from meetref.protocol.negotiation import Kind, SentTrack, Transport
from meetref.protocol.offering import offer
from tests.protocol.test_negotiation import CLIENT

AUDIO_AND_VIDEO: tuple[Kind, ...] = ("audio", "video")


def publication(*kinds: Kind, local: Transport = CLIENT) -> str:
    """What an encoder offers."""
    tracks = [
        SentTrack(mid=str(index), kind=kind, ssrc=1000 + index, cname="c", stream="s")
        for index, kind in enumerate(kinds or AUDIO_AND_VIDEO)
    ]
    return offer(tracks, local, session_id=7, version=1)


def request(*kinds: Kind, local: Transport = CLIENT) -> str:
    """What a player offers: the same, with nothing of its own in it."""
    text = publication(*kinds, local=local).replace("a=sendonly", "a=recvonly")
    return re.sub(r"a=(ssrc|ssrc-group|msid):[^\r]*\r\n", "", text)

"""A session of WHIP or WHEP over real HTTP, for clients whose program knows nothing of it: offer in, answer out.

Read next: tests/peers/test_whip_native.py.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import trio

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: http.client.HTTPMessage
    text: str


async def ask(method: str, url: str, body: str = "", **headers: str) -> Answer:
    """One request; underlines in the names of headers are hyphens."""
    return await trio.to_thread.run_sync(_ask, method, url, body, headers)


def _ask(method: str, url: str, body: str, headers: dict[str, str]) -> Answer:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    try:
        target = f"{place.path}?{place.query}" if place.query else place.path
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


@dataclass
class Session:
    """One session. `url` is where it is, `tag` its ICE session, `answer` the server's description."""

    url: str
    tag: str
    answer: str
    headers: http.client.HTTPMessage = field(repr=False)

    async def patch(self, fragment: str, condition: str | None = None) -> Answer:
        """Candidates or a restart; the tag is taken over."""
        answer = await ask("PATCH", self.url, fragment, content_type=FRAGMENT, if_match=condition or self.tag)
        self.tag = answer.headers.get("etag", self.tag)
        return answer

    async def delete(self) -> int:
        return (await ask("DELETE", self.url)).status


async def open_session(url: str, offer: str, **headers: str) -> Session:
    """Offer at a room's address. Asserts that it is taken."""
    answer = await ask("POST", url, offer, content_type=SDP, **headers)
    assert answer.status == 201, answer
    return Session(urljoin(url, answer.headers["location"]), answer.headers["etag"], answer.text, answer.headers)

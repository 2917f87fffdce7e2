"""Driving a server of WHIP and WHEP with the vectors: ours over real HTTP, and odd ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from meetref.app.cli import main
from meetref.app.replay.command import Unusable, cases_for, replay
from meetref.app.replay.settings import Settings
from meetref.app.replay.web import Answer, ask_at
from meetref.app.replay.whip import WhipTarget
from meetref.app.server import Settings as Served
from meetref.app.server import open_server
from meetref.net.network import KernelNetwork
from meetref.wire.address import Address
from tests.app.doorway import open_doorway
from tests.stories.test_meeting import until

ROOT = Path(__file__).parent.parent.parent
CASES = cases_for(ROOT, WhipTarget.sets)
PATHS = (("whip", "/whip/replay"), ("whep", "/whep/replay"))


async def test_our_server_agrees_over_http() -> None:
    served = Served(port=0, media_port=0, inline_log=True, maximum_handshakes_per_source=8)
    async with open_server(KernelNetwork(), served) as server:
        at = Address("127.0.0.1", server.http_port)
        target = await WhipTarget.open(KernelNetwork(), Settings(stem="whip", target=at, paths=PATHS))
        outcomes = await replay(target, CASES)
        assert [outcome for outcome in outcomes if outcome.verdict not in ("pass", "untried")] == []
        untried = [outcome.got for outcome in outcomes if outcome.verdict == "untried"]
        assert untried == ["the target needs no token, or none was told with --token"] * 8
        await until(lambda: not server.rooms.rooms, 5)  # no session is left behind


async def test_one_of_the_two_is_enough() -> None:
    async def ask(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(200, {}, b"")

    target = WhipTarget(ask, {"whip": "/here"}, None)
    assert await target.why_unusable() is None
    outcomes = [await target.play(case) for case in CASES]
    assert {outcome.got for outcome in outcomes if outcome.verdict == "untried"} == {
        "granted by --whep PATH",
        "the target needs no token, or none was told with --token",
    }


def case(words: str) -> dict[str, Any]:
    return next(each for each in CASES if each["comment"] == words and each["init"]["endpoint"] == "whip")


@pytest.mark.parametrize(
    ("words", "answer", "expected", "got"),
    [
        ("an offer that is no SDP", Answer(200, {}, b""), "4xx", "200"),
        ("two pictures: taken whole, or refused as a whole", Answer(409, {}, b""), "[201, 400, 422]", "409"),
        ("GET finds nothing, and is no error", Answer(204, {}, b"x"), "an empty body", "1 octets"),
        (
            "OPTIONS tells what may be posted",
            Answer(200, {}, b""),
            "accept-post: application/sdp",
            "accept-post: nothing",
        ),
        (
            "an offer gets an answer, an address and a tag",
            Answer(201, {"content-type": "application/sdp", "etag": '"x"'}, b""),
            "location: one",
            "location: nothing",
        ),
        (
            "every section of the answer says that there is one port",
            Answer(201, {}, b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"),
            "mux_only True",
            "False",
        ),
        ("every section of the answer says that there is one port", Answer(201, {}, b"\xff"), "mux_only", "be read"),
        ("every section of the answer says that there is one port", None, "201", "no sane answer"),
    ],
)
async def test_what_differs_is_told(words: str, answer: Answer | None, expected: str, got: str) -> None:
    async def ask(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        return answer

    outcome = await WhipTarget(ask, {"whip": "/here"}, None).play(case(words))
    assert outcome.verdict == "fail"
    assert expected in outcome.expected[0]
    assert got in outcome.got


async def test_sessions_may_be_anywhere_on_the_server_and_are_ended() -> None:
    asked: list[tuple[str, str, str | None]] = []

    async def ask(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        asked.append((method, path, headers.get("authorization")))
        status = 201 if method == "POST" else 204
        return Answer(status, {"location": "https://elsewhere.example/s/1?key=2", "etag": '"x"'}, b"")

    outcome = await WhipTarget(ask, {"whip": "/here"}, "secret").play(case("a change without a tag"))
    assert (outcome.expected, outcome.got) == (("428",), "204")
    session = "/s/1?key=2"
    assert asked == [(method, path, "Bearer secret") for method, path in
                     (("POST", "/here"), ("PATCH", session), ("DELETE", session))]  # fmt: skip


async def test_who_does_not_speak_http_is_unusable() -> None:
    async def nonsense(stream: trio.SocketStream) -> None:
        await stream.send_all(b"hello\r\n\r\n")
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, nonsense, 0)
        at = Address("127.0.0.1", listeners[0].socket.getsockname()[1])
        target = await WhipTarget.open(KernelNetwork(), Settings(stem="whip", target=at, paths=PATHS))
        with pytest.raises(Unusable, match="no sane answer to OPTIONS of /whip/replay"):
            await replay(target, CASES)
        nursery.cancel_scope.cancel()
    assert await ask_at(KernelNetwork(), at)("GET", "/", {}, b"") is None, "nobody listens there any more"


async def test_an_answer_is_read_whole() -> None:
    async with open_doorway() as doorway:
        answer = await ask_at(doorway.network, doorway.address)("GET", "/some/where", {}, b"")
        assert answer is not None
        assert (answer.status, answer.body) == (200, b"/some/where")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "--whip PATH, --whep PATH, or both"),
        (["--whip", "here"], "is no path"),
        (["--whip", "/a b"], "is no path"),
        (["--whip", "/here", "--user", "a:b"], "--user is for turn"),
    ],
)
def test_what_the_command_line_refuses(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vectors", "replay", "whip", "--target", "127.0.0.1:9", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert main(["vectors", "replay", "stun", "--target", "127.0.0.1:9", "--whep", "/here"]) == 2

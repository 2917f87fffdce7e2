"""Driving somebody's server with the vectors, on the virtual network."""

from __future__ import annotations

import argparse
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from meetref.app.cli import main
from meetref.app.command import CommandFailed, Exit
from meetref.app.replay.command import Unusable, cases_for, replay, report
from meetref.app.replay.settings import Settings, add_arguments, read_settings, read_target
from meetref.app.replay.stun import StunTarget, reaction
from meetref.app.replay.verdict import GONE, Outcome, expected_of, judge
from meetref.net.virtual import VirtualNetwork
from meetref.protocol.binding import answer_binding
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode

ROOT = Path(__file__).parent.parent.parent
CASES = cases_for(ROOT, StunTarget.sets)
Answer = Callable[[bytes, Address], bytes | str | None]


async def outcomes_against(answer: Answer, cases: list[dict[str, Any]] = CASES) -> list[Outcome]:
    """Replay against a server that answers so."""
    network = VirtualNetwork("replay")
    here, there = network.host("here", "192.0.2.1"), network.host("there", "192.0.2.2")
    async with trio.open_nursery() as nursery:
        await nursery.start(network.run)
        serving = await there.open_datagram(Address("192.0.2.2", 3478))

        async def serve() -> None:
            while True:
                for datagram in await serving.receive():
                    said = answer(datagram.data, datagram.remote)
                    if isinstance(said, bytes):
                        serving.send((said,), datagram.remote)

        nursery.start_soon(serve)
        target = await StunTarget.open(here, Settings(stem="stun", target=serving.local))
        try:
            outcomes: list[Outcome] | Unusable = await replay(target, cases)
        except Unusable as unusable:
            outcomes = unusable
        await target.close()
        nursery.cancel_scope.cancel()
    if isinstance(outcomes, Unusable):
        raise outcomes
    return outcomes


def wrong(outcomes: list[Outcome]) -> set[str]:
    return {f"{outcome.verdict}: {outcome.got}" for outcome in outcomes if outcome.verdict != "pass"}


async def test_our_server_passes_every_case(autojump_clock: MockClock) -> None:
    outcomes = await outcomes_against(answer_binding)
    assert len(outcomes) == len(CASES)
    assert wrong(outcomes) == set()


async def test_a_server_that_answers_everything_fails(autojump_clock: MockClock) -> None:
    def answer(data: bytes, remote: Address) -> bytes:
        mapped = [Attribute(attribute.XOR_MAPPED_ADDRESS, remote)]
        return stun.serialize(stun.Message(stun.Class.SUCCESS, 1, data[8:20].ljust(12, b"\0"), mapped))

    outcomes = await outcomes_against(answer)
    failed = {outcome.id for outcome in outcomes if outcome.verdict == "fail"}
    for case in CASES:
        allowed = expected_of(case)
        assert (case["id"] in failed) is not ("success" in allowed or "ignore-part" in allowed), case["id"]


async def test_a_server_that_says_420_without_the_names_fails(autojump_clock: MockClock) -> None:
    def answer(data: bytes, remote: Address) -> bytes | str:
        said = answer_binding(data, remote)
        if isinstance(said, bytes) and (error := stun.parse(said).get(attribute.ERROR_CODE)) and error.code == 420:
            bare = [Attribute(attribute.ERROR_CODE, ErrorCode(420, ""))]
            return stun.serialize(stun.Message(stun.Class.ERROR, 1, data[8:20], bare))
        return said

    assert wrong(await outcomes_against(answer)) == {"fail: an error 420 that does not name what is unknown"}


async def test_a_server_that_is_none_is_not_asked_further(autojump_clock: MockClock) -> None:
    asked = []
    with pytest.raises(Unusable, match="no sane answer"):
        await outcomes_against(lambda data, remote: asked.append(data))
    assert {len(data) for data in asked} == {20}


async def test_a_server_that_a_case_kills_is_told(autojump_clock: MockClock) -> None:
    dead = []

    def answer(data: bytes, remote: Address) -> bytes | str | None:
        if len(data) == 7:
            dead.append(data)
        return None if dead else answer_binding(data, remote)

    outcomes = await outcomes_against(answer)
    assert [outcome.id for outcome in outcomes] == [case["id"] for case in CASES]
    (error,) = (number for number, outcome in enumerate(outcomes) if outcome.verdict == "error")
    assert outcomes[error].comment == "a request cut to 7 octets"
    assert outcomes[error].got == GONE
    assert {outcome.verdict for outcome in outcomes[:error]} == {"pass"}
    assert {outcome.verdict for outcome in outcomes[error + 1 :]} == {"untried"}


async def test_a_server_that_is_dead_in_the_end_is_told(autojump_clock: MockClock) -> None:
    questions = []

    def answer(data: bytes, remote: Address) -> bytes | str | None:
        questions.append(data)
        return answer_binding(data, remote) if len(questions) <= 3 else None

    outcomes = await outcomes_against(answer, CASES[:1])
    assert [outcome.id for outcome in outcomes] == [CASES[0]["id"], "sanity"]
    assert outcomes[1].verdict == "error"


async def test_lost_datagrams_are_no_verdict(autojump_clock: MockClock) -> None:
    count = iter(range(10**6))
    outcomes = await outcomes_against(
        lambda data, remote: None if next(count) % 3 == 0 else answer_binding(data, remote)
    )
    assert wrong(outcomes) == set()


def test_missing_a_should_is_not_a_failure() -> None:
    case = {"id": "x", "comment": "y", "result": "invalid", "reaction": "drop"}
    assert judge(case, "success").verdict == "fail"
    assert judge(case | {"level": "SHOULD"}, "success").verdict == "non-strict"
    assert judge(case | {"allowed": ["ignore-part"]}, "success").verdict == "pass"
    assert judge(case, None).verdict == "error"


def test_answers_in_the_words_of_the_vectors() -> None:
    bare = stun.serialize(stun.Message(stun.Class.REQUEST, 1, bytes(12)), fingerprint=False)
    classic = bare[:4] + b"old!" + bare[8:]
    answer = stun.Message(stun.Class.SUCCESS, 1, bytes(12))
    for asked, said, expected in (
        (classic, b"\1\1\0\0" + classic[4:20], "ignore-part"),
        (bare, b"\1\1\0\0" + classic[4:20], "an answer that cannot be read (no STUN magic cookie)"),
        (bare, stun.serialize(stun.Message(stun.Class.SUCCESS, 1, b"another one!")), "an answer to something else"),
        (bare, stun.serialize(answer), "a success without a masked address"),
        (bare, stun.serialize(stun.Message(stun.Class.ERROR, 1, bytes(12))), "an answer that is none"),
        (bare, bare, "an answer that is none"),
    ):
        assert reaction(asked, said) == expected


@pytest.mark.parametrize(
    "text", ["nobody", "192.0.2.1", "localhost:3478", "127.0.0.1:0", "127.0.0.1:65536", "192.0.2.1:3478"]
)
def test_where_no_server_is_asked(text: str) -> None:
    with pytest.raises(CommandFailed) as problem:
        read_target(text, anywhere=False)
    assert problem.value.code == Exit.WRONG_COMMAND_LINE


def test_where_a_server_may_be_asked() -> None:
    assert read_target("127.0.0.1:3478", anywhere=False) == Address("127.0.0.1", 3478)
    assert read_target("[::1]:3478", anywhere=False) == Address("::1", 3478)
    assert read_target("192.0.2.1:3478", anywhere=True) == Address("192.0.2.1", 3478)


def test_the_report_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    good = Outcome("a-0001", "fine", "pass", ("drop",), "drop")
    soft = Outcome("a-0002", "hm", "non-strict", ("drop",), "success")
    bad = Outcome("a-0003", "bad", "fail", ("drop", "error:400"), "success")
    assert report([good, soft], as_json=False) == Exit.DONE
    assert report([good, bad], as_json=False) == Exit.DOES_NOT_HOLD
    assert "fail  a-0003  bad: success instead of drop or error:400" in capsys.readouterr().out
    assert report([good, bad], as_json=True) == Exit.DOES_NOT_HOLD
    assert json.loads(capsys.readouterr().out)["counts"] == {"pass": 1, "fail": 1}
    assert report([good, Outcome("a-0004", "long", "untried", (), "takes 29 seconds")], as_json=False) == Exit.DONE
    said = capsys.readouterr().out
    assert said == "untried  a-0004  long: takes 29 seconds\n2 cases: 1 pass, 1 untried\n"
    assert report([good], as_json=False, every=True) == Exit.DONE
    assert capsys.readouterr().out == "pass  a-0001  fine: drop\n1 cases: 1 pass\n"


def settings(words: str) -> Settings:
    parser = argparse.ArgumentParser()
    parser.add_argument("stem")
    add_arguments(parser)
    return read_settings(parser.parse_args([*words.split(), "--target", "127.0.0.1:3478"]))


def test_everything_that_can_be_said_of_a_target(tmp_path: Path) -> None:
    chosen = settings("turn --user alice:won:der --user bob:b --over tcp --time 30 --user-quota 2 --nonce-lasts 100.5")
    assert chosen.users == (("alice", "won:der"), ("bob", "b"))
    assert (chosen.over, chosen.time, chosen.user_quota, chosen.total_quota) == ("tcp", 30.0, 2, None)
    assert chosen.nonce_lasts == 100.5
    assert "won:der" not in repr(chosen)
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 40 + b"\n")
    assert settings(f"turn --secret-file {secret}").secret == b"s" * 40
    chosen = settings(f"ice --ufrag abcd --password {'p' * 22} --own-ufrag efgh")
    assert chosen.credentials is not None
    assert (chosen.credentials.ufrag, chosen.own_ufrag) == ("abcd", "efgh")
    assert "pppp" not in repr(chosen)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("turn", "wants an account"),
        ("turn --user alice", "NAME:PASSWORD"),
        ("turn --user a:b --user b:c --user c:d", "two users are enough"),
        ("turn --user a:b --secret-file secret", "wants an account"),
        ("turn --user a:b --time soon", "'soon' is no number of seconds"),
        ("turn --user a:b --time -1", "no number of seconds"),
        ("turn --user a:b --time nan", "no number of seconds"),
        ("turn --user a:b --user-quota few", "'few' is no number"),
        ("turn --user a:b --nonce-lasts 0", "no number of seconds"),
        ("turn --user a:b --ufrag abcd", "--ufrag is for ice, not for turn"),
        ("stun --user a:b", "--user is for turn, not for stun"),
        ("ice --secret-file x", "--secret-file is for turn, not for ice"),
        ("ice", "--ufrag UFRAG and --password PASSWORD"),
        ("ice --ufrag abcd", "--ufrag UFRAG and --password PASSWORD"),
        ("ice --ufrag abc --password pppppppppppppppppppppp", "a user fragment has 4"),
        ("ice --ufrag abcd --password short", "a user fragment has 4"),
        ("ice --ufrag abcd --password pppppppppppppppppppppp --own-ufrag x", "a user fragment has 4"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(words: str, sentence: str) -> None:
    with pytest.raises(CommandFailed, match=re.escape(sentence)) as problem:
        settings(words)
    assert problem.value.code == Exit.WRONG_COMMAND_LINE


def test_nobody_at_home_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ["vectors", "replay", "turn", "--user", "alice:wonder", "--over", "tcp", "--target", where]
        assert main(words) == Exit.UNSUPPORTED
    assert capsys.readouterr().err == f"meetref: {where} cannot be reached: nobody listens there\n"


def test_a_stem_that_cannot_be_replayed_is_unsupported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vectors", "replay", "tea", "--target", "127.0.0.1:3478"]) == Exit.UNSUPPORTED
    assert "stun, turn, ice" in capsys.readouterr().err
    assert main(["vectors", "replay", "stun", "--target", "192.0.2.1:3478"]) == Exit.WRONG_COMMAND_LINE

"""`meetref tree` against a running door, and against things that are no server of ours."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from meetref.app import tree
from meetref.app.command import CommandFailed
from meetref.app.http import Site, make_http_answer
from meetref.app.visitor import Visitor
from tests.app.doorway import HOSTS, open_doorway

TREE = [
    {"name": "room demo", "children": [{"name": "alice", "children": [{"name": "up", "children": []}]}]},
    {"name": "door", "children": []},
]


async def ask(url: str, *words: str) -> int:
    parser = argparse.ArgumentParser()
    tree.add_arguments(parser)
    return await trio.to_thread.run_sync(tree.run, parser.parse_args(["--url", url, *words]))


async def test_the_tree_in_three_forms(capsys: pytest.CaptureFixture[str]) -> None:
    answer_http = make_http_answer(Site(hosts=HOSTS, tree=lambda: TREE))
    async with open_doorway(answer_http=answer_http) as doorway:
        url = f"http://{doorway.address}"
        assert await ask(url) == 0
        assert capsys.readouterr().out == "room demo\n  alice\n    up\ndoor\n"
        assert await ask(url, "--paths") == 0
        assert capsys.readouterr().out == "room demo > alice > up\ndoor\n"
        assert await ask(url, "--json") == 0
        assert json.loads(capsys.readouterr().out) == TREE


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>", "no meetref"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 7\r\n\r\nno way!", "401: no way!"),
        (b"rubbish\r\n\r\n", "no meetref answers"),
        (b"", "no meetref answers"),
    ],
)
async def test_somebody_else_answers(body: bytes, sentence: str) -> None:
    async def answer(visitor: Visitor) -> None:
        await visitor.stream.send_all(body)

    async with open_doorway(answer_http=answer) as doorway:
        with pytest.raises(CommandFailed, match=sentence):
            await trio.to_thread.run_sync(partial(tree.fetch_tree, f"http://{doorway.address}"))


async def test_nobody_answers() -> None:
    async with open_doorway() as doorway:
        url = f"http://{doorway.address}"
    with pytest.raises(CommandFailed, match="no meetref answers"):
        await trio.to_thread.run_sync(tree.fetch_tree, url)


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8080", "", "http://", "http://[::1", "http://a:99999999"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        tree.fetch_tree(url)
    assert failed.value.code == 2


@pytest.mark.parametrize("value", [None, 7, "x", {}, [7], [{"children": 3}], [{"name": None}]])
def test_any_json_is_survived(value: Any) -> None:
    assert isinstance(tree.branches(value), list)
    assert isinstance(tree.paths(value), list)


def test_names_cannot_draw_on_the_terminal() -> None:
    assert tree.branches([{"name": "\x1b[31mred\n"}]) == ["\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"]


def test_depth_is_bounded() -> None:
    nodes: list[Any] = []
    for _ in range(500):
        nodes = [{"name": "x", "children": nodes}]
    assert len(tree.branches(nodes)) <= 101


async def test_an_admin_token_is_sent(tmp_path: Path) -> None:
    (tmp_path / "admin").write_text("a" * 40)
    seen = []

    async def answer(visitor: Visitor) -> None:
        seen.append(visitor.head.header("authorization"))
        await visitor.refuse(401, "no")

    async with open_doorway(answer_http=answer) as doorway:
        with pytest.raises(CommandFailed, match="401"):
            await ask(f"http://{doorway.address}", "--admin-token-file", str(tmp_path / "admin"))
    assert seen == ["Bearer " + "a" * 40]

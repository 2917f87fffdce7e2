"""The task tree in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from meetref.net.taskview import MAXIMUM_NAME, Node, as_data, as_text, tree, unnamed_tasks

Children = Mapping[str, Mapping[str, Any]]


async def owner(children: Children) -> None:
    async with trio.open_nursery() as nursery:
        for name, below in children.items():
            nursery.start_soon(owner, below, name=name)
        await trio.sleep_forever()


async def a_library(children: Children) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(owner, children)  # without a name
        await trio.sleep_forever()


def view(children: Children, in_library: bool = False) -> tuple[list[Node], list[str]]:
    """What is seen while tasks with these names run; pytest's own task would be seen too, so not under its Trio."""

    async def main() -> tuple[list[Node], list[str]]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a_library if in_library else owner, children)
            await trio.testing.wait_all_tasks_blocked()
            seen = tree(), unnamed_tasks(__name__)
            nursery.cancel_scope.cancel()
        return seen

    return trio.run(main)


def test_paths_and_data() -> None:
    nodes, _ = view({"room demo": {"bob": {"up": {}}, "alice": {"up": {}, "down": {}}}})
    assert as_text(nodes) == "room demo > alice > down\nroom demo > alice > up\nroom demo > bob > up\n"
    up: dict[str, object] = {"name": "up", "children": []}
    down: dict[str, object] = {"name": "down", "children": []}
    bob = {"name": "bob", "children": [up]}
    alice = {"name": "alice", "children": [down, up]}
    assert as_data(nodes) == [{"name": "room demo", "children": [alice, bob]}]


def test_what_nobody_named_is_left_out_but_not_what_it_owns() -> None:
    nodes, unnamed = view({"alice": {}}, in_library=True)
    assert as_text(nodes) == "alice\n"
    assert sorted(name.rpartition(".")[2] for name in unnamed) == ["a_library", "main", "owner"]


def test_names_that_people_chose_cannot_play_tricks() -> None:
    names = ["a > b", "line\nbreak", "<b>", "first.last", "x" * 1000]
    nodes, _ = view({"room demo": {name: {} for name in names}})
    lines = as_text(nodes).splitlines()
    assert len(lines) == len(names)
    assert all(line.count(" > ") == 1 and line.startswith("room demo > ") for line in lines)
    assert "room demo > first.last" in lines
    assert max(map(len, lines)) == len("room demo > ") + MAXIMUM_NAME


def test_an_empty_tree() -> None:
    nodes, _ = view({})
    assert nodes == []
    assert as_text(nodes) == ""

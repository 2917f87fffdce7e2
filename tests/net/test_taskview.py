"""The task tree in words."""

from __future__ import annotations

import trio

from meetref.net.taskview import MAXIMUM_NAME, as_data, as_text, tree, unnamed_tasks


async def owner(children: dict[str, dict[str, object]]) -> None:
    async with trio.open_nursery() as nursery:
        for name, below in children.items():
            nursery.start_soon(owner, below, name=name)
        await trio.sleep_forever()


async def a_library(children: dict[str, dict[str, object]]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(owner, children)  # without a name


async def test_paths_and_data(nursery: trio.Nursery) -> None:
    nursery.start_soon(owner, {"bob": {"up": {}}, "alice": {"up": {}, "down": {}}}, name="room demo")
    await trio.testing.wait_all_tasks_blocked()
    assert as_text(tree()) == "room demo > alice > down\nroom demo > alice > up\nroom demo > bob > up\n"
    up: dict[str, object] = {"name": "up", "children": []}
    down: dict[str, object] = {"name": "down", "children": []}
    bob = {"name": "bob", "children": [up]}
    alice = {"name": "alice", "children": [down, up]}
    assert as_data(tree()) == [{"name": "room demo", "children": [alice, bob]}]


async def test_what_nobody_named_is_left_out_but_not_what_it_owns(nursery: trio.Nursery) -> None:
    nursery.start_soon(a_library, {"alice": {}})
    await trio.testing.wait_all_tasks_blocked()
    assert as_text(tree()) == "alice\n"
    assert len(unnamed_tasks(__name__)) >= 2


async def test_names_that_people_chose_cannot_play_tricks(nursery: trio.Nursery) -> None:
    names = ["a > b", "line\nbreak", "<b>", "first.last", "x" * 1000]
    nursery.start_soon(owner, {name: {} for name in names}, name="room demo")
    await trio.testing.wait_all_tasks_blocked()
    lines = as_text(tree()).splitlines()
    assert len(lines) == len(names)
    assert all(line.count(" > ") == 1 and line.startswith("room demo > ") for line in lines)
    assert "room demo > first.last" in lines
    assert max(map(len, lines)) == len("room demo > ") + MAXIMUM_NAME


async def test_an_empty_tree() -> None:
    assert tree() == []
    assert as_text(tree()) == ""

"""The live task tree in the words of the domain: `room demo > alice > up`.

Stands beside everything that runs on Trio and asks nothing of it but names: tasks are started with `name="alice"`.
Trio's own tasks, a library's, and those that nobody named are left out; what runs below them moves up to the nearest
name.
Leaves out: where in its code a task waits (that is a debugger's business) and any change of the tree.
Read next: docs/architecture.md, rule 3: every task has an owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import trio

MAXIMUM_NAME = 64  # characters; a participant chooses theirs
MAXIMUM_DEPTH = 64

TRIOS_OWN = frozenset({"<init>", "<TrioToken.run_sync_soon task>"})


@dataclass(slots=True)
class Node:
    """A task with a name, and the tasks that it owns."""

    name: str
    children: list[Node] = field(default_factory=list)


def tree() -> list[Node]:
    """The named tasks of this run, sorted by name. Call it inside of `trio.run`."""
    root = trio.lowlevel.current_root_task()
    return [] if root is None else _named_below(root, 0)


def as_text(nodes: list[Node]) -> str:
    """One line for each task that owns no other: the path that leads to it."""
    return "".join(f"{path}\n" for path in _paths(nodes))


def as_data(nodes: list[Node]) -> list[dict[str, Any]]:
    """The tree for JSON: `{"name": ..., "children": [...]}`."""
    return [{"name": node.name, "children": as_data(node.children)} for node in nodes]


def unnamed_tasks(package: str) -> list[str]:
    """Names of running tasks that were started from functions of `package` and given no name: there should be none."""
    root = trio.lowlevel.current_root_task()
    everyone = [] if root is None else list(_below(root))
    return sorted(task.name for task in everyone if not _has_own_name(task) and task.name.startswith(f"{package}."))


def _below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield child
            yield from _below(child)


def _named_below(task: trio.lowlevel.Task, depth: int) -> list[Node]:
    found: list[Node] = []
    if depth > MAXIMUM_DEPTH:
        return found
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            below = _named_below(child, depth + 1)
            found += [Node(_shown(child.name), below)] if _has_own_name(child) else below
    return sorted(found, key=lambda node: node.name)


def _has_own_name(task: trio.lowlevel.Task) -> bool:
    """Trio calls a task that was given no name after its function, with the module in front."""
    qualified: str = getattr(task.coro, "__qualname__", "")
    return task.name not in TRIOS_OWN and not f".{task.name}".endswith(f".{qualified}")


def _shown(name: str) -> str:
    """A name as one word of a line: no control characters, no imitation of the arrow, not endless."""
    plain = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    return plain.replace(">", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}")[:MAXIMUM_NAME]


def _paths(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        if node.children:
            yield from (f"{node.name} > {path}" for path in _paths(node.children))
        else:
            yield node.name

"""The documentation page of the small automata: each state table as a picture, drawn from the code that runs.

Stands above `protocol`, where a closed automaton is a table `TRANSITIONS: {(State, Input): State}`; the documentation's
configuration calls `page` each time the site is built, so that a picture cannot show anything else than the code does.
Leaves out: what leads back to the same state, and machines whose states are classes with data of their own.
Read next: `protocol/pair.py`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from enum import Enum
from types import ModuleType

from meetref import protocol

INTRODUCTION = """# The states of the machines

Where a machine of `meetref/protocol` is a small closed automaton, its states and what changes them stand in one table.
These pictures are drawn from the tables; what changes nothing is left out.

"""

Transitions = Mapping[tuple[Enum, Enum], Enum]


def page() -> str:
    """The page, in Markdown with mermaid diagrams."""
    return INTRODUCTION + "".join(_section(module) for module in tables())


def tables() -> Iterator[ModuleType]:
    """Every module of the protocol floor that has a state table."""
    for found in sorted(pkgutil.iter_modules(protocol.__path__), key=lambda found: found.name):
        module = importlib.import_module(f"{protocol.__name__}.{found.name}")
        if hasattr(module, "TRANSITIONS"):
            yield module


def _section(module: ModuleType) -> str:
    stem = module.__name__.rpartition(".")[2]
    first = (inspect.getdoc(module) or "").partition("\n")[0]
    return f"## {stem}\n\n{first}\n\n```{{mermaid}}\n{diagram(module.TRANSITIONS)}```\n\n"


def diagram(transitions: Transitions) -> str:
    """A state diagram in mermaid's words; inputs that lead the same way share an arrow."""
    arrows: dict[tuple[Enum, Enum], list[str]] = {}
    for (state, happened), then in transitions.items():
        if then is not state:
            arrows.setdefault((state, then), []).append(_words(happened))
    states = dict.fromkeys([*(state for state, _ in transitions), *transitions.values()])
    lines = ["stateDiagram-v2", *(f"    {state.name} : {_words(state)}" for state in states)]
    lines += [f"    {state.name} --> {then.name} : {', '.join(words)}" for (state, then), words in arrows.items()]
    return "\n".join(lines) + "\n"


def _words(member: Enum) -> str:
    return str(member.value).replace("-", " ").replace("_", " ")

"""The pictures of the state tables say what the tables say."""

from __future__ import annotations

import re
from enum import Enum

from meetref.app.statepage import diagram, page, tables


class Door(Enum):
    OPEN = "open"
    SHUT = "half-shut"


class Push(Enum):
    PUSH = "push"
    PULL = "pull"


def test_each_change_is_an_arrow_and_nothing_else_is() -> None:
    table = {
        (Door.OPEN, Push.PUSH): Door.SHUT,
        (Door.OPEN, Push.PULL): Door.OPEN,
        (Door.SHUT, Push.PUSH): Door.OPEN,
        (Door.SHUT, Push.PULL): Door.OPEN,
    }
    assert diagram(table) == (
        "stateDiagram-v2\n    OPEN : open\n    SHUT : half shut\n"
        "    OPEN --> SHUT : push\n    SHUT --> OPEN : push, pull\n"
    )


def test_the_page_has_every_table_and_every_change() -> None:
    text = page()
    found = list(tables())
    assert "pair" in {module.__name__.rpartition(".")[2] for module in found}
    drawn = sum(len(words.split(", ")) for words in re.findall(r"--> \w+ : (.*)", text))
    assert drawn == sum(then is not state for module in found for (state, _), then in module.TRANSITIONS.items())
    assert text.count("```{mermaid}") == len(found)

"""The exposition format, and that no label can break it."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.app.metrics import Family, by_word, render


def test_families_as_prometheus_reads_them() -> None:
    families = [
        Family("meetref_people", "gauge", "People in rooms.").add(3, room="demo").add(0.5, room="b"),
        by_word("meetref_door_total", "Visitors.", {"http": 2, "full": 1}),
        Family("meetref_none", "gauge", "Nothing."),
    ]
    assert render(families) == (
        "# HELP meetref_people People in rooms.\n# TYPE meetref_people gauge\n"
        'meetref_people{room="demo"} 3\nmeetref_people{room="b"} 0.5\n'
        "# HELP meetref_door_total Visitors.\n# TYPE meetref_door_total counter\n"
        'meetref_door_total{what="full"} 1\nmeetref_door_total{what="http"} 2\n'
        "# HELP meetref_none Nothing.\n# TYPE meetref_none gauge\n"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (1e9, "1000000000")]
)
def test_numbers(value: float, text: str) -> None:
    assert render([Family("a", "gauge", "").add(value)]).endswith(f"a {text}\n")


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_no_label_ends_its_line(label: str) -> None:
    line = render([Family("a", "gauge", "x").add(1, room=label)]).split("\n", 2)[2]
    assert re.fullmatch(r'a\{room="(?:[^"\\\n]|\\[\\"n])*"\} 1\n', line)


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a\n"])
def test_a_wrong_name_is_our_own_mistake(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        render([Family(name, "gauge", "")])

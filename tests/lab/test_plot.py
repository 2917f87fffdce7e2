"""Curves as SVG: well formed, within their panel, and with every name."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from meetref.lab.plot import HEIGHT, LEFT, WIDTH, Curve, Panel, svg


def test_curves_stay_within_their_panel() -> None:
    drawn = svg(
        "A <title>", [0.0, 10.0, 20.0], [Panel("ms", 10, [Curve("a & b", [0, 5, 50]), Curve("c", [1, 2, 3], True)])]
    )
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "A &lt;title&gt;" in drawn
    assert "a &amp; b" in drawn
    line, held = re.findall(r'<path d="([^"]*)" fill="none"', drawn)
    points = [tuple(map(float, pair.split())) for pair in re.split("[ML]", line) if pair]
    assert [x for x, _ in points] == [LEFT, (LEFT + WIDTH - 12) / 2, WIDTH - 12]
    assert all(0 <= y <= HEIGHT for _, y in points)
    assert points[0][1] > points[1][1] > points[2][1]
    assert "H" in held
    assert "L" not in held

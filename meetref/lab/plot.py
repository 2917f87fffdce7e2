"""Curves over time as one SVG: what a lab measured, drawn for a page of the documentation.

Stands on the standard library alone. Text and axes take the colour of the page around them, so that it is read by day
and by night when it stands in the page itself.
Specification: none.
Leaves out: all that a plotting library can do.
Read next: `lab/bandwidth.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 190  # of one panel
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 26, 22
COLOURS = ("#1f77b4", "#d9730d", "#2a9d5c", "#b5449a")
TICKS = 5


@dataclass(frozen=True)
class Curve:
    """One line; `held` draws it in steps, each value until the next one."""

    name: str
    values: Sequence[float]
    held: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves with one axis, from 0 to `top`, beside each other in time."""

    unit: str
    top: float
    curves: Sequence[Curve]


def svg(title: str, times: Sequence[float], panels: Sequence[Panel]) -> str:
    """The whole picture; all curves have a value for each of `times`, in seconds."""
    height = HEIGHT * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" width="100%"',
        f' font-family="sans-serif" font-size="11" fill="currentColor"><title>{escape(title)}</title>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate(0 {number * HEIGHT})">', *_panel(panel, times), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, times: Sequence[float]) -> Iterator[str]:
    yield from _axes(panel, times)
    at = LEFT
    for curve, colour in zip(panel.curves, COLOURS, strict=False):
        path = _path(curve, times, panel.top)
        yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        yield f'<path d="M{at} 12h16" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{at + 20}" y="16">{escape(curve.name)}</text>'
        at += 34 + 7 * len(curve.name)


def _axes(panel: Panel, times: Sequence[float]) -> Iterator[str]:
    for number in range(TICKS + 1):
        value = panel.top * number / TICKS
        y = _y(value, panel.top)
        yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity="0.15"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>'
    yield f'<text x="{LEFT - 44}" y="{TOP - 10}">{escape(panel.unit)}</text>'
    for second in range(int(times[0]), int(times[-1]) + 1, 10):
        yield f'<text x="{_x(second, times)}" y="{HEIGHT - 6}" text-anchor="middle">{second} s</text>'


def _path(curve: Curve, times: Sequence[float], top: float) -> str:
    points = [(_x(at, times), _y(value, top)) for at, value in zip(times, curve.values, strict=True)]
    out = [f"M{points[0][0]} {points[0][1]}"]
    for x, y in points[1:]:
        out.append(f"H{x}V{y}" if curve.held else f"L{x} {y}")
    return "".join(out)


def _x(at: float, times: Sequence[float]) -> float:
    share = (at - times[0]) / (times[-1] - times[0])
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - min(value / top, 1.0) * (HEIGHT - TOP - BOTTOM), 1)

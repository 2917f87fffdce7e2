"""The page that explains a handshake octet by octet, as one HTML file without anything around it.

Every octet stands in the file with the field that it belongs to; the script beside this file only shows what was
chosen, and moves with the arrow keys. The same capture gives the same file, octet for octet.
Stands above `explain/conversation`; `app/pcap` writes it for anybody's capture, the documentation's configuration for
those of vectors/sessions. Specification: none.
Leaves out: libraries. Read next: `page.js`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meetref.app.explain.conversation import Explained
from meetref.app.explain.field import Datagram, Field, Layer, Step

HERE = Path(__file__).parent
HEADER_NAMES = ("content type", "record version", "epoch", "sequence", "length", "first octet", "sequence, encrypted")
FRAGMENT_NAMES = ("message type", "message length", "message number", "fragment offset", "fragment length")
SEALED_NAMES = ("encrypted payload", "explicit nonce", "authentication tag")
INTRODUCTION = """<p>A captured handshake, every byte of it. Choose a byte: you are told what it is and why it is
there, and where it was computed, from what and how. What was protected is here twice, as it
was on the wire and opened.</p>
<p class="keys">Arrow keys: <kbd>←</kbd> <kbd>→</kbd> go from field to field, <kbd>↑</kbd> <kbd>↓</kbd> to the block
above or below, <kbd>Tab</kbd> to the next block.</p>
<p class="legend"><span class="h">record header</span> <span class="f">fragment header</span>
<span class="b">content</span> <span class="s">encrypted</span></p>"""
Link = tuple[str, str]  # words, address


class _Writer:
    """Numbers the fields while they are written; `told` is what the script knows of each."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self._odd = False

    def layer(self, layer: Layer, datagram: Datagram, number: int) -> str:
        place = f"datagram {datagram.number}, {layer.title.partition(':')[0]}"
        root = self._tell({"n": place, "d": datagram.number, "y": number})
        spans = "".join(self._field(each, root, layer.data, ()) for each in layer.fields)
        words = f"{html.escape(layer.title)} <small>{len(layer.data)} octets</small>"
        return f'<div class="layer"><h3>{words}</h3><div class="octets" data-n="{number}">{spans}</div></div>'

    def _field(self, each: Field, parent: int, data: bytes, way: tuple[str, ...]) -> str:
        told: dict[str, Any] = {"n": each.name, "p": parent, "o": each.offset, "l": each.length}
        told |= {key: value for key, value in (("v", each.value), ("w", each.why), ("c", each.piece)) if value}
        if each.steps:
            told["s"] = [_step(step) for step in each.steps]
        number = self._tell(told)
        if each.parts:
            return "".join(self._field(part, number, data, (*way, each.name)) for part in each.parts)
        self._odd = not self._odd
        octets = " ".join(f"<i>{octet:02x}</i>" for octet in data[each.offset : each.end])
        label = html.escape(each.name + (f": {each.value}" if each.value else ""))
        kind = _kind(each.name, len(way)) + (" o" if self._odd else "")
        return f'<span class="{kind}" id="f{number}" role="button" tabindex="-1" title="{label}">{octets} </span>'

    def _tell(self, told: dict[str, Any]) -> int:
        self.told.append(told)
        return len(self.told) - 1


def _kind(name: str, depth: int) -> str:
    """The colour of a field: which envelope it belongs to."""
    if name in SEALED_NAMES:
        return "s"
    if depth <= 1 and name in HEADER_NAMES:
        return "h"
    return "f" if name in FRAGMENT_NAMES else "b"


def _step(step: Step) -> dict[str, Any]:
    inputs = [[name, _shown(value)] for name, value in step.inputs]
    return {"f": step.formula, "i": inputs, "r": _shown(step.output), **({"e": 1} if step.ends else {})}


def _shown(value: bytes | str) -> str:
    if isinstance(value, str):
        return value
    printable = len(value) > 3 and all(32 <= octet < 127 for octet in value)
    return f'"{value.decode()}"' if printable else value.hex(" ") or "(nothing)"


def page(explained: Explained, title: str, links: Sequence[Link] = ()) -> str:
    """The whole file."""
    writer = _Writer()
    body = "".join(_datagram(writer, each) for each in explained.datagrams)
    told = json.dumps(writer.told, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    ways = " · ".join(f'<a href="{html.escape(to)}">{html.escape(words)}</a>' for words, to in links)
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header><nav>{ways}</nav><h1>{html.escape(title)}</h1>
{INTRODUCTION}
<p>Client {explained.client}, server {explained.server}.</p></header>
{body}
{_ladder(explained)}
</main>
<aside id="panel" aria-live="polite" aria-label="The chosen field"></aside>
<script type="application/json" id="told">{told}</script>
<script>
{script}</script>
</body>
</html>
"""


def _datagram(writer: _Writer, each: Datagram) -> str:
    ends = ("client", "server") if each.sender == "client" else ("server", "client")
    when = f"{each.at * 1000:.0f} ms"
    layers = "".join(writer.layer(layer, each, number) for number, layer in enumerate(each.layers, 1))
    return (
        f'<section class="datagram from-{each.sender}" id="datagram-{each.number}"><h2>{each.number}. '
        f'{html.escape(each.summary)} <small>{ends[0]} <span class="arrow">→</span> {ends[1]}, {when}</small></h2>'
        f"{layers}</section>\n"
    )


def _ladder(explained: Explained) -> str:
    parts = []
    for title, steps in explained.ladder:
        shown = "".join(f"<li>{_written(step)}</li>" for step in steps)
        parts.append(f"<h3>{html.escape(title)}</h3><ol>{shown}</ol>")
    if not parts:
        parts.append("<p>The capture has no secrets; whoever only listens sees no more than this.</p>")
    return f'<section id="ladder"><h2>What both now know, and nobody else</h2>{"".join(parts)}</section>'


def _written(step: Step) -> str:
    inputs = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(_shown(value))}</dd>" for name, value in step.inputs
    )
    mark = ' <b class="equal">as in the capture</b>' if step.ends else ""
    output = html.escape(_shown(step.output))
    return f"<code>{html.escape(step.formula)}</code><dl>{inputs}<dt>=</dt><dd class='result'>{output}{mark}</dd></dl>"

"""The documentation page of the signaling protocol, made from the definitions in `wire/signaling`.

Stands on `wire/signaling`; the documentation's configuration calls `page` each time the site is built, so that the page
cannot say anything else than the code does.
Leaves out: which message follows which; the page's introduction tells the usual order.
"""

from __future__ import annotations

import inspect
import re
import typing
from typing import Any

import msgspec

from meetref.wire import signaling

INTRODUCTION = """# The signaling protocol

One text frame on the WebSocket at `/signal` is one JSON object. Its `type` names the message; a field that is not
listed is an error, and an error is answered with `error` while the connection goes on. A message has at most
{size:,} octets. This page is generated from `meetref/wire/signaling.py`.

The usual order: `join`, `joined`, then `up-offer` / `up-answer` for what the client sends and `down-offer` /
`down-answer` for what it receives, candidates as they come, `seats` whenever somebody sits down elsewhere,
`look` whenever the client shows something else, `ping` and `pong`.

"""

VALUES = (
    signaling.Resume,
    signaling.Pin,
    signaling.Person,
    signaling.Seat,
    signaling.SeatVideo,
    signaling.PersonQuality,
    signaling.IceServer,
    signaling.OwnRecording,
)


def page() -> str:
    """The page, in Markdown."""
    parts = [INTRODUCTION.format(size=signaling.MAXIMUM_MESSAGE_SIZE)]
    parts.append("## What a client says\n\n" + _messages(signaling.ClientMessage))
    parts.append("## What the server says\n\n" + _messages(signaling.ServerMessage))
    parts.append("## Values inside messages\n\n")
    parts += [_describe(value, value.__name__) for value in VALUES]
    return "".join(parts)


def _messages(union: Any) -> str:
    return "".join(_describe(message, message.__struct_config__.tag) for message in typing.get_args(union))


def _describe(message: type[msgspec.Struct], title: str) -> str:
    text = inspect.getdoc(message) or ""
    rows = "".join(_row(field) for field in msgspec.structs.fields(message))
    table = f"| field | type | when left out |\n|---|---|---|\n{rows}\n" if rows else ""
    return f"### `{title}`\n\n{text}\n\n{table}"


def _row(field: Any) -> str:
    default = "an error" if field.required else f"`{msgspec.json.encode(field.default).decode()}`"
    return f"| `{field.encode_name}` | {_type(field.type)} | {default} |\n"


def _type(annotation: Any) -> str:
    """A type in the words of JSON."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        limits = [_limits(meta) for meta in arguments[1:] if isinstance(meta, msgspec.Meta)]
        return ", ".join([_type(arguments[0]), *filter(None, limits)])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"object of {_type(arguments[1])} by {_type(arguments[0])}"
    if arguments:
        return " or ".join(_type(argument) for argument in arguments)
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    return names.get(annotation, f"`{annotation.__name__}`")


def _limits(meta: msgspec.Meta) -> str:
    words = []
    if meta.min_length is not None or meta.max_length is not None:
        words.append(f"{meta.min_length or 0} to {meta.max_length} long")
    if meta.ge is not None and meta.le is not None:
        words.append(f"{meta.ge} to {meta.le}")
    if meta.pattern is not None:
        words.append("letters a to z, digits and hyphens" if "a-z" in meta.pattern else re.escape(meta.pattern))
    return ", ".join(words)

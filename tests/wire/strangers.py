"""What strangers send is a value or `Malformed`; anything else that is raised fails the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from meetref.wire.reader import Malformed

Given = ParamSpec("Given")
Value = TypeVar("Value")


def read(parse: Callable[Given, Value], *given: Given.args, **more: Given.kwargs) -> Value | None:
    """What `parse` makes of it, or None where that is `Malformed`."""
    try:
        return parse(*given, **more)
    except Malformed:
        return None

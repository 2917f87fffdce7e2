"""Counters and gauges as Prometheus reads them: a text of a few lines, made when it is asked for.

Stands below `app/http`; `app/server` says what is counted. Nothing is registered and nothing is kept: a family is made
from figures that their owners have anyway.
Specification: Prometheus text exposition format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
Leaves out: histograms; a lab measures distributions better.
Read next: `app/http.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(slots=True)
class Family:
    """One metric. The unit is part of `name` (`_seconds`, `_bytes`), and a counter's name ends in `_total`."""

    name: str
    kind: Literal["counter", "gauge"]
    says: str
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> Family:
        """Add a sample; the answer is the family itself."""
        self.samples.append((labels, value))
        return self


def by_word(name: str, says: str, counts: Mapping[str, float], *, label: str = "what") -> Family:
    """A counter with one sample for each key of `counts`, as the counters of sockets and doors are kept."""
    family = Family(name, "counter", says)
    for word, count in sorted(counts.items()):
        family.add(count, **{label: word})
    return family


def render(families: Iterable[Family]) -> str:
    """The text that `/metrics` answers. Raises `ValueError` for a name that Prometheus would not take."""
    lines = []
    for family in families:
        lines.append(f"# HELP {_checked(family.name)} {family.says.translate(_HELP_ESCAPES)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += [f"{family.name}{_labels(labels)} {_number(value)}" for labels, value in family.samples]
    return "".join(line + "\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{_checked(name)}="{value.translate(_ESCAPES)}"' for name, value in labels.items()) + "}"


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no name of a metric or a label")
    return name


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))

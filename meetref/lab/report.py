"""What every lab writes with `--json`: one shape for all, so that another program can compare runs.

Stands on the standard library alone. Specification: docs/measurements.md, "The JSON of a lab".
Leaves out: what the figures mean; each lab names its own, with the unit in the name.
Read next: `lab/forwarding.py`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import meetref


@dataclass(kw_only=True)
class Report:
    """The result of one run. `figures` are single numbers, `series` lists of numbers of the same length.

    `seed` is 0 where nothing is left to chance that a seed could decide.
    """

    lab: str
    seed: int = 0
    settings: dict[str, Any]
    figures: dict[str, float]
    series: dict[str, list[float]] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Write it as JSON. Raises `OSError`."""
        content = {
            "lab": self.lab,
            "version": meetref.__version__,
            "command": " ".join(["meetref", "lab", self.lab, *sys.argv[3:]]),
            "seed": self.seed,
            "machine": machine(),
            "settings": self.settings,
            "figures": self.figures,
            "series": self.series,
        }
        file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def machine() -> dict[str, Any]:
    """What the figures depend on, besides the code."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())

"""Programs in Go that stand beside the tests: built once for each version of their source, and kept in `.cache`.

Read next: tests/peers/pion_turn/main.go.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "peers"
PATIENCE = 600.0  # seconds; the first time libraries are fetched


def built(name: str) -> Path:
    """The program whose source is the folder `name` here. Raises `CalledProcessError` where it cannot be built."""
    source = Path(__file__).parent / name
    contents = b"".join(path.read_bytes() for path in sorted(source.iterdir()) if path.is_file())
    program = CACHE / f"{name}-{hashlib.sha256(contents).hexdigest()[:16]}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = program.with_suffix(f".{os.getpid()}")
        command = ["go", "build", "-o", str(unfinished), "."]
        subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=PATIENCE)
        unfinished.replace(program)
    return program

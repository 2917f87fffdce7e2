"""Programs for Node that stand beside the tests: what they need is installed once, and kept in `.cache`.

Read next: tests/peers/werift_media/main.mjs, and tests/peers/gobuild.py, which does it for Go.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "peers"
PATIENCE = 300.0  # seconds; the first time packages are fetched


def installed(name: str) -> Path:
    """The main program of the folder `name` here, beside its packages. Raises `CalledProcessError` without them."""
    source = Path(__file__).parent / name
    contents = b"".join(path.read_bytes() for path in sorted(source.iterdir()) if path.is_file())
    folder = CACHE / f"{name}-{hashlib.sha256(contents).hexdigest()[:16]}"
    if not folder.exists():
        unfinished = folder.with_suffix(f".{os.getpid()}")
        shutil.copytree(source, unfinished, ignore=shutil.ignore_patterns("node_modules"))
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=unfinished, check=True, capture_output=True, timeout=PATIENCE)
        try:
            unfinished.replace(folder)
        except OSError:  # somebody else was faster
            shutil.rmtree(unfinished)
    return folder / "main.mjs"

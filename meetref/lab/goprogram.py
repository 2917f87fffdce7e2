"""Programs in Go that a lab measures against: built once for each version, and kept outside of the tree.

Stands on the Go tools alone; modules come through Go's module proxy. `MEETREF_CACHE` names another folder than
~/.cache/meetref. Specification: https://go.dev/ref/mod. Leaves out: cleaning up; what is old is not looked at again.
Read next: `lab/pion.py`, `lab/livekit.py`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from meetref.app.command import CommandFailed

CACHE = Path(os.environ.get("MEETREF_CACHE", "~/.cache/meetref")).expanduser() / "peers"
PATIENCE = 1800.0  # seconds; the first time, libraries are fetched


def program_of_source(source: Path) -> Path:
    """Where the program of a folder with a go.mod is, once built: the name has a hash of the sources."""
    contents = b"".join(path.read_bytes() for path in sorted(source.iterdir()) if path.is_file())
    return CACHE / f"{source.name.replace('_', '-')}-{hashlib.sha256(contents).hexdigest()[:16]}" / source.name


def program_of_module(package: str, version: str) -> Path:
    """Where the program of a published package is, once installed in this version."""
    module = package.split("/")[2]
    return CACHE / f"{module}-{version}" / package.rpartition("/")[2]


def why_absent(program: Path) -> str | None:
    """None when it is built, or can be."""
    if program.exists() or shutil.which("go"):
        return None
    return f"{program.parent.name} is not built yet, and there is no program go on the PATH (https://go.dev/dl)"


def build(program: Path, command: list[str], folder: Path | None = None) -> None:
    """Run `command`, which is to write `program`, unless it is there. Raises `CommandFailed`.

    Who comes while somebody else builds it waits.
    """
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return
        print(f"building {program.parent.name}, once; it may take minutes", file=sys.stderr, flush=True)
        environment = os.environ | {"GOBIN": str(program.parent)}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode != 0 or not program.exists():
            raise CommandFailed(f"{program.parent.name} cannot be built: {done.stderr.strip()[-300:]}")


def build_source(source: Path) -> None:
    """Build the program of a folder with a go.mod. Raises `CommandFailed`."""
    program = program_of_source(source)
    build(program, ["go", "build", "-o", str(program), "."], source)


def install_module(package: str, version: str) -> None:
    """Install the program of a published package. Raises `CommandFailed`."""
    build(program_of_module(package, version), ["go", "install", f"{package}@v{version}"])

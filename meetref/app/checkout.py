"""Where the source tree is, for the commands that are about it: `find`, `spec`, `vectors`.

Stands below those commands. The tree is the working directory or one above it, or else the one that meetref was
installed from in editable form; a meetref from a wheel alone has neither tests nor vectors, and the commands say so.
Specification: none.
"""

from __future__ import annotations

from pathlib import Path

import meetref
from meetref.app.command import CommandFailed, Exit

LANDMARKS = ("pyproject.toml", "meetref", "spec", "vectors", "tests")


def checkout(start: Path | None = None) -> Path:
    """The root of the source tree. Raises `CommandFailed` (unsupported) where there is none."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(meetref.__file__).resolve().parent.parent):
        if all((folder / name).exists() for name in LANDMARKS):
            return folder
    raise CommandFailed(
        "this command is about the source tree, and there is none here: clone it first", Exit.UNSUPPORTED
    )

"""The module that a check looks at: the learner's (`--module my_stun.py`), or ours.

Each check names ours in `REFERENCE`, dotted; the fixture `module` hands out whichever it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load(path: Path) -> ModuleType:
    """Run a file as a module. What stands beside it can be imported by it."""
    name = f"learner_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise pytest.UsageError(f"--module takes a Python file, not {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


@pytest.fixture(scope="module")
def module(request: pytest.FixtureRequest) -> ModuleType:
    chosen = request.config.getoption("--module", default=None)
    if chosen is None:
        return importlib.import_module(request.module.REFERENCE)
    path = Path(request.config.invocation_params.dir, chosen)
    if not path.is_file():
        pytest.fail(f"there is no file {path}", pytrace=False)
    return load(path)

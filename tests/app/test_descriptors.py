"""As many open files as the system allows, and no more connections than leave some for recordings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from meetref.app.descriptors import ENOUGH, allow_many

PROGRAM = """
import resource
from meetref.app.descriptors import allow_many
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(allow_many(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
@pytest.mark.parametrize(("soft", "hard"), [(256, 2000), (2000, 2000)])
def test_as_many_as_the_system_allows(soft: int, hard: int) -> None:
    program = PROGRAM.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["2000", "2000"]


def test_asking_again_changes_nothing() -> None:
    assert 0 < allow_many() == allow_many()
    assert ENOUGH > 0

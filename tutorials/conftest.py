"""Every page here is executed; see tests/pages.py. The exercises are checked by checks/."""

from pathlib import Path

import pytest

from tests.pages import collector

pytest_collect_file = collector(__file__)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tutorials")
    group.addoption("--module", type=Path, metavar="FILE", help="the module that tutorials/checks look at (ours)")

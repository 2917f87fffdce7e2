"""Every page here is executed; see tests/pages.py."""

from tests.pages import collector

pytest_collect_file = collector(__file__)

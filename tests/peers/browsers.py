"""Real browsers for tests: those of `meetref/lab/browser`, one driver for labs and tests.

Read next: `meetref/lab/browser.py`, `tests/peers/test_sdp_browsers.py`.
"""

from __future__ import annotations

from meetref.lab.browser import BROWSERS, Browser, BrowserError, chromium, firefox

__all__ = ["BROWSERS", "Browser", "BrowserError", "chromium", "firefox"]

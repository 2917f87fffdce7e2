"""How Markdown pages are executed: every ```python block runs, every ```console block is tried and compared.

The blocks of one page share a namespace and run in order, as a reader would type them. A page with a block that
must not run says so with an invisible comment, `<!--- skip: next -->`. A console block is commands after `$ ` and what
they print; `...` stands for anything. Only `meetref` commands are tried, each in an empty folder and within a minute.
Used by docs/conftest.py and tutorials/conftest.py.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parent.parent
LONGEST = 60.0  # seconds for one command


def run_console(example: Example) -> str | None:
    """Try the commands of a block; the answer is what differs, or None."""
    for words, expected in _commands(str(example.parsed)):
        if words[0] != "meetref":
            return f"only meetref commands can be tried, not {words[0]}"
        printed = _run(words[1:])
        pattern = ".*?".join(re.escape(part) for part in re.split(r"\.\.\.", expected.strip()))
        if not re.fullmatch(pattern, printed.strip(), re.DOTALL):
            return f"$ {shlex.join(words)}\nprinted\n{printed}\nand not\n{expected}"
    return None


def _commands(block: str) -> list[tuple[list[str], str]]:
    commands: list[tuple[list[str], str]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append((shlex.split(line[2:]), ""))
        elif commands:
            words, expected = commands[-1]
            commands[-1] = (words, f"{expected}{line}\n")
    return commands


def _run(words: list[str]) -> str:
    """Standard output and error together, as a terminal shows them."""
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [sys.executable, "-c", "from meetref.app.cli import main; raise SystemExit(main())", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST,
            cwd=empty, env={**os.environ, "COLUMNS": "100"}, check=False,
        )  # fmt: skip
    return done.stdout


def _from_the_root(namespace: dict[str, Any]) -> None:
    """Pages read `vectors/...` as a reader in the checkout would; pytest restores the folder."""
    namespace["__before__"] = Path.cwd()
    os.chdir(ROOT)


def _back(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["__before__"])


def collector(conftest: str) -> Callable[..., Any]:
    """What the conftest.py of a folder with pages assigns to `pytest_collect_file`."""
    parsers = [PythonCodeBlockParser(), CodeBlockParser("console", run_console), SkipParser()]
    folder = str(Path(conftest).parent)
    return Sybil(parsers, patterns=["*.md"], path=folder, setup=_from_the_root, teardown=_back).pytest()

"""The tree as the house tests see it: every module of meetref/ with its syntax tree.

Read next: test_architecture.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """`name` is dotted (`meetref.wire.stun`), `floor` the directory it stands in, None for meetref/__init__.py."""

    path: Path
    name: str
    floor: str | None
    text: str
    tree: ast.Module

    def at(self, node: ast.AST) -> str:
        """Where a node stands, as editors read it."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"

    def imports(self) -> Iterator[tuple[ast.AST, str]]:
        """Every imported module or name, dotted, wherever in the file the import stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node, alias.name
            elif isinstance(node, ast.ImportFrom):
                package = self._package(node.level) if node.level else ""
                origin = ".".join(part for part in (package, node.module) if part)
                for alias in node.names:
                    yield node, f"{origin}.{alias.name}"

    def functions(self) -> Iterator[Function]:
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def _package(self, level: int) -> str:
        parts = self.name.split(".")
        if self.path.name != "__init__.py":
            parts = parts[:-1]
        return ".".join(parts[: len(parts) - level + 1])


@cache
def modules() -> tuple[Module, ...]:
    """All of meetref/, in the order of their paths."""
    return tuple(_read(path) for path in sorted((ROOT / "meetref").rglob("*.py")))


def _read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, str(path), feature_version=(3, 11))
    return Module(path, ".".join(parts), parts[1] if len(parts) > 1 else None, text, tree)


def length(function: Function) -> int:
    """Lines of a function's body, its docstring not counted."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0

"""Small enough to be read: modules, functions, and names that say something."""

from __future__ import annotations

import ast
import re

from tests.house.source import Function, length, modules

LONGEST_MODULE = 450
LONGEST_FUNCTION = 45
SHORT_FUNCTION = 30
EMPTY_WORDS = {"util", "utils", "common", "base", "core", "misc", "manager", "helper", "helpers", "handler", "handlers"}


def test_no_module_is_too_long() -> None:
    lengths = {module.name: module.text.count("\n") for module in modules()}
    too_long = {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE}
    assert not too_long


def test_no_function_is_too_long() -> None:
    wrong = [
        f"{module.at(function)}: {function.name} has {length(function)} lines"
        for module in modules()
        for function in module.functions()
        if length(function) > LONGEST_FUNCTION
    ]
    assert not wrong, "\n".join(wrong)


def test_nine_functions_of_ten_are_short() -> None:
    lengths = [length(function) for module in modules() for function in module.functions()]
    short = sum(lines < SHORT_FUNCTION for lines in lengths)
    assert short >= 0.9 * len(lengths)


def test_names_say_something() -> None:
    """No `utils`, `common`, `base`, `manager`, ... in the name of a module or a class."""
    wrong = []
    for module in modules():
        names = [module.name.rpartition(".")[2]]
        names += [node.name for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
        for name in names:
            words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)}
            if words & EMPTY_WORDS:
                wrong.append(f"{module.name}: {name}")
    assert not wrong, "\n".join(wrong)


def test_identifiers_carry_no_document_numbers() -> None:
    """A reader knows what `consent` is; `rfc7675` has to be looked up. Comments and docstrings name documents."""
    wrong = [
        f"{module.at(node)}: {node.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef | Function) and re.search(r"(?i)rfc_?\d", node.name)
    ]
    assert not wrong, "\n".join(wrong)


def test_public_names_have_a_sentence() -> None:
    """Every module, and every public class and function at its top level, says what it is.

    A command's `add_arguments` and `run` are described once, in `app/command`.
    """
    wrong = []
    for module in modules():
        if not ast.get_docstring(module.tree):
            wrong.append(f"{module.path.name}: the module")
        named = [node for node in module.tree.body if isinstance(node, ast.ClassDef | Function)]
        public = [node for node in named if node.name[0] != "_" and node.name not in ("add_arguments", "run")]
        wrong += [f"{module.at(node)}: {node.name}" for node in public if not ast.get_docstring(node)]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_half_done() -> None:
    wrong = [
        f"{module.path.name}:{number}: {line.strip()}"
        for module in modules()
        for number, line in enumerate(module.text.splitlines(), 1)
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError", line)
    ]
    assert not wrong, "\n".join(wrong)

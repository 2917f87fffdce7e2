"""The rules of docs/architecture.md, held against the syntax tree of every module. Nothing is exempt."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.source import Module, modules

HEIGHT = {"wire": 0, "protocol": 1, "media": 1, "net": 2, "meeting": 3, "archive": 3, "app": 4, "lab": 5}
BELOW_NET = ("wire", "protocol", "media")
WORLD = frozenset({"trio", "socket", "time", "random", "os", "secrets", "threading", "asyncio", "subprocess", "uuid"})
ASYNC = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)


def below_net() -> Iterator[Module]:
    return (module for module in modules() if module.floor in BELOW_NET)


def test_every_floor_is_known() -> None:
    floors = {module.floor for module in modules()} - {None}
    assert floors <= HEIGHT.keys()


def test_imports_only_go_down_and_neighbours_are_strangers() -> None:
    wrong = []
    for module in modules():
        for node, imported in module.imports():
            parts = imported.split(".")
            if parts[0] != "meetref" or len(parts) < 2 or parts[1] not in HEIGHT or module.floor is None:
                continue
            if parts[1] != module.floor and HEIGHT[parts[1]] >= HEIGHT[module.floor]:
                wrong.append(f"{module.at(node)}: {module.floor} imports {imported}")
    assert not wrong, "\n".join(wrong)


def test_nothing_below_net_touches_the_world() -> None:
    wrong = [
        f"{module.at(node)}: imports {imported}"
        for module in below_net()
        for node, imported in module.imports()
        if imported.split(".")[0] in WORLD
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_below_net_awaits() -> None:
    wrong = [
        f"{module.at(node)}: {type(node).__name__}"
        for module in below_net()
        for node in ast.walk(module.tree)
        if isinstance(node, ASYNC) or (isinstance(node, ast.comprehension) and node.is_async)
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_below_net_asks_for_the_date_or_makes_its_own_keys() -> None:
    """Time is `now` and randomness is `Dice`: no `datetime.now()`, no `X25519PrivateKey.generate()`."""
    wrong = []
    for module in below_net():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner, verb = ast.unparse(node.func.value), node.func.attr
                asks = verb in ("now", "utcnow", "today") and owner.split(".")[-1] in ("datetime", "date")
                rolls = verb == "generate_private_key" or (verb == "generate" and owner.endswith("PrivateKey"))
                if asks or rolls:
                    wrong.append(f"{module.at(node)}: {owner}.{verb}()")
    assert not wrong, "\n".join(wrong)


def test_only_media_codec_speaks_to_pyav() -> None:
    wrong = [
        f"{module.at(node)}: imports {imported}"
        for module in modules()
        for node, imported in module.imports()
        if imported.split(".")[0] == "av" and not module.name.startswith("meetref.media.codec")
    ]
    assert not wrong, "\n".join(wrong)


def test_error_groups_are_caught_in_two_places_only() -> None:
    """Where a participant's tasks end, and in the command line: `app/cli` and its commands."""
    catching = [
        (module, module.at(node))
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.TryStar)
    ]
    in_meeting = [place for module, place in catching if module.floor == "meeting"]
    elsewhere = [place for module, place in catching if module.floor != "meeting" and not _is_command(module)]
    assert len(in_meeting) <= 1
    assert not elsewhere, "\n".join(elsewhere)


def _is_command(module: Module) -> bool:
    names = {function.name for function in module.functions()}
    return module.name == "meetref.app.cli" or {"add_arguments", "run"} <= names


def test_only_the_doors_import_by_name() -> None:
    """An import that is a string would escape the test of the floors."""
    wrong = [
        f"{module.at(node)}: {imported}"
        for module in modules()
        for node, imported in module.imports()
        if imported.split(".")[0] in ("importlib", "runpy") and module.floor != "app"
    ]
    assert not wrong, "\n".join(wrong)

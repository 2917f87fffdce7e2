"""The page keeps its own rules: documented names, text as text, nothing from elsewhere; and its own tests pass."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

import meetref
from meetref.wire import signaling

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "meetref" / "app" / "page"
MODULES = {path.name: path.read_text() for path in sorted(PAGE.glob("*.js"))}
STYLES = {path.name: path.read_text() for path in sorted(PAGE.glob("*.css"))}
INDEX = (PAGE / "index.html").read_text()
RECORDINGS = (PAGE / "recordings.html").read_text()
DOCUMENT = (ROOT / "docs" / "page.md").read_text()


def test_every_name_on_the_page_is_documented() -> None:
    names = set()
    for text in MODULES.values():
        names |= set(re.findall(r'\btest: "([a-z-]+)"', text))
        names |= set(re.findall(r'\bbutton\("([a-z]+)"', text))
    names |= {f"{page}-tab" for page in ("chat", "people", "connection", "xray")}
    names |= {f"xray-{name}" for name in re.findall(r'\["([a-z-]+)", "', MODULES["xrayrows.js"])}
    names |= {f"{kind}-select" for kind in ("microphone", "camera", "speaker")}
    assert len(names) > 50
    assert not {name for name in names if f"`{name}`" not in DOCUMENT}


def test_text_is_never_markup() -> None:
    forbidden = re.compile(r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function")
    assert not [name for name, text in MODULES.items() if forbidden.search(text)]


def test_nothing_is_inline_and_nothing_is_fetched_from_elsewhere() -> None:
    """What the content security policy would refuse, and what would tell strangers about a meeting."""
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", INDEX + RECORDINGS)
    assert not [
        name for name, text in MODULES.items() if 'setAttribute("style"' in text or re.search(r"\bstyle:", text)
    ]
    elsewhere = re.compile(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", re.IGNORECASE)
    allowed = "http://www.w3.org/2000/svg"  # the name of a namespace, which nobody fetches
    files = {**MODULES, **STYLES, "index.html": INDEX, "recordings.html": RECORDINGS}
    assert not [name for name, text in files.items() if elsewhere.search(text.replace(allowed, ""))]


def test_modules_are_small_and_say_what_they_are() -> None:
    assert not [name for name, text in MODULES.items() if text.count("\n") > 320]
    assert not [name for name, text in MODULES.items() if not text.startswith("/**\n * ")]


def test_every_module_is_announced_to_the_browser() -> None:
    """Without the links, modules are found one after the other, a round trip for each level of imports."""
    announced = {}
    for page, first in ((INDEX, "main.js"), (RECORDINGS, "recordings.js")):
        announced[first] = set(re.findall(r'rel="modulepreload" href="/page/([a-z]+\.js)"', page)) | {first}
        assert announced[first] == needed_by(first)
    texts = "\n".join(MODULES.values())
    workers = set(re.findall(r'new Worker\(new URL\("\./([a-z]+\.js)"', texts))
    assert announced["main.js"] | announced["recordings.js"] | workers == set(MODULES)


def needed_by(first: str) -> set[str]:
    needed, new = set(), {first}
    while new:
        needed |= new
        new = {target for name in new for target in re.findall(r' from "./([a-z]+.js)"', MODULES[name])} - needed
    return needed


def test_imports_are_relative_and_exist() -> None:
    for text in MODULES.values():
        for target in re.findall(r'^import [^;]*? from "([^"]+)"', text, re.MULTILINE):
            assert target.startswith("./")
            assert target.removeprefix("./") in MODULES


def test_the_page_knows_every_message_of_the_server() -> None:
    kinds = {str(kind.__struct_config__.tag) for kind in signaling.ServerMessage.__args__}
    texts = MODULES["session.js"] + MODULES["signaling.js"]
    assert not {kind for kind in kinds if not re.search(rf'"{kind}"|^\s+{kind}:', texts, re.MULTILINE)}


def test_the_page_agrees_with_the_server_on_numbers() -> None:
    assert f"LONGEST_MESSAGE = {signaling.MAXIMUM_CHAT_LENGTH};" in MODULES["conversation.js"]
    assert f"MOST_TILES = {signaling.MAXIMUM_VISIBLE};" in MODULES["view.js"]
    assert f"MOST_PINNED = {signaling.MAXIMUM_PINNED};" in MODULES["view.js"]
    assert f'VERSION = "{meetref.__version__}"' in MODULES["state.js"]
    longest = msgspec.json.schema(signaling.Join)["$defs"]["Join"]["properties"]["name"]["maxLength"]
    assert f'maxlength: "{longest}"' in MODULES["lobby.js"]


def test_the_page_of_the_audience_keeps_the_same_rules() -> None:
    modules = {path.name: path.read_text() for path in sorted((PAGE / "audience").glob("*.js"))}
    index = (PAGE / "watch.html").read_text()
    assert not [name for name, text in modules.items() if not text.startswith("/**\n * ")]
    forbidden = re.compile(r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|\bstyle:")
    assert not [name for name, text in modules.items() if forbidden.search(text)]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|https?://", index)
    announced = set(re.findall(r'href="/page/audience/([a-z]+\.js)"', index)) | {"main.js"}
    assert announced == set(modules)
    document = (ROOT / "docs" / "webinar.md").read_text()
    names = set(re.findall(r'\btest: "([a-z-]+)"', modules["main.js"]))
    assert not {name for name in names if f"`{name}`" not in document}


@pytest.mark.skipif(shutil.which("node") is None, reason="no program node on the PATH (apt install nodejs)")
def test_the_modules_that_need_no_browser() -> None:
    result = subprocess.run(
        ["node", "--test", "--no-warnings", str(Path(__file__).parent)], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stdout + result.stderr

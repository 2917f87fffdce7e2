"""Sphinx: how the pages of this folder and the tutorials become a site."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from sphinx.application import Sphinx  # noqa: E402

from meetref import __version__  # noqa: E402
from meetref.app import statepage  # noqa: E402
from meetref.app.pcap import handshake_page  # noqa: E402
from meetref.app.protocolpage import page  # noqa: E402
from meetref.lab import bandwidth  # noqa: E402

project = "meetref"
author = copyright = "the meetref authors"
version = release = __version__
extensions = ["myst_parser", "sphinx_design", "sphinxcontrib.mermaid", "sphinx_copybutton"]
myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_bytes", "conftest.py"]
html_theme = "furo"
html_title = "meetref"
html_copy_source = False
html_extra_path = ["_bytes"]

# These pages are made: the signaling protocol and the states from their definitions, the handshakes from captures, the
# tutorials from their folder; the picture of the bandwidth by its lab.
(HERE / "signaling.md").write_text(page(), encoding="utf-8")
(HERE / "states.md").write_text(statepage.page(), encoding="utf-8")
BYTES = HERE / "_bytes"
BYTES.mkdir(exist_ok=True)
for this, other in (("1.2", "1.3"), ("1.3", "1.2")):
    session = HERE.parent / "vectors" / "sessions" / f"dtls{this.replace('.', '')}-handshake"
    links = [("meetref", "index.html"), (f"the same in {other}", f"dtls-{other}.html")]
    made = handshake_page(session / "session.pcapng", session / "secrets.json", links)
    (BYTES / f"dtls-{this}.html").write_text(made, encoding="utf-8")
for capture in sorted((HERE.parent / "tests" / "captured").glob("dtls-*.pcapng")):
    made = handshake_page(capture, links=[("meetref", "index.html")])
    (BYTES / f"{capture.stem}.html").write_text(made, encoding="utf-8")
(BYTES / "bandwidth.svg").write_text(bandwidth.picture(bandwidth.steps(seed=1)), encoding="utf-8")
TUTORIALS = HERE / "tutorials"
shutil.rmtree(TUTORIALS, ignore_errors=True)
TUTORIALS.mkdir()
for tutorial in sorted((HERE.parent / "tutorials").glob("*.md")):
    # They lie a folder deeper here than in the checkout, but for the pages of this folder, which are one above them.
    text = re.sub(r"\]\(\.\./(?!docs/)", "](../../", tutorial.read_text(encoding="utf-8"))
    text = text.replace("](../docs/", "](../")
    (TUTORIALS / tutorial.name).write_text(text, encoding="utf-8")


def lead_out(app: Sphinx, name: str, source: list[str]) -> None:
    """What is outside of this folder is no page of the site: links give it as the file that it is."""
    here = (HERE / name).parent

    def link(found: re.Match[str]) -> str:
        inside = (here / found[1]).resolve().is_relative_to(HERE)
        return found[0] if inside else f"](path:{found[1]})"

    source[0] = re.sub(r"\]\((\.\./[^)#\s]+\.md)\)", link, source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", lead_out)

"""The learner's module as a page of tutorials/ builds it: all blocks that begin with its name, in order.

So what a page shows is what is checked, and there is no second copy that could differ.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TUTORIALS = ROOT / "tutorials"


def module_of(page: str, name: str) -> str:
    """The text of module `name` (such as `my_stun.py`) in tutorials/`page`."""
    text = (TUTORIALS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return "\n\n".join(block for block in blocks if block.startswith(f"# {name}:"))

"""What a program received, in a line for people.

Stands above `app/receiver`, whose statistics it adds up; `app/bot` prints it when a bot leaves.
Leaves out: who was heard or seen: a slot shows one person after the other.
Read next: `app/receiver.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from meetref.app.receiver import Statistics

COUNTED = {
    "audio": ("sound", ("packets", "late", "lost", "concealed")),
    "video": ("pictures", ("packets", "frames", "late", "lost")),
}


def in_words(name: str, slots: Iterable[Statistics]) -> str:
    """All slots of a kind are one; the delay is the longest among those in which something came."""
    used = [slot for slot in slots if slot.packets]
    said = []
    for kind, (word, counted) in COUNTED.items():
        of_kind = [slot for slot in used if slot.kind == kind]
        if of_kind:
            sums = ", ".join(f"{each} {sum(getattr(slot, each) for slot in of_kind)}" for each in counted)
            said.append(f"{word}: {sums}, delay {max(slot.delay_ms for slot in of_kind)} ms")
    return f"{name} received {'; '.join(said) or 'nothing'}"

"""`python -m tests.mutations [WORD ...]`: is every guard missed by a test? With words, only guards that have one.

Exit code 1 when one is not. Read next: tests/mutations/trial.py.
"""

from __future__ import annotations

import sys

from tests.mutations.trial import attempt, copied_tree, guards, run_tests


def main(words: list[str]) -> int:
    chosen = [guard for guard in guards() if not words or any(word in str(guard) for word in words)]
    missed = 0
    with copied_tree() as copy:
        tests = sorted({word for guard in chosen for word in guard.tests if "::" not in word and word.endswith(".py")})
        whole = run_tests(copy, tests)
        if whole.returncode:
            print(f"the tests fail although nothing was removed:\n{whole.stdout[-3000:]}")
            return 1
        for guard in chosen:
            outcome, said = attempt(guard, copy)
            print(f"{outcome:9}  {guard}", flush=True)
            if outcome != "noticed":
                missed += 1
            if outcome == "broken":
                print(said)
    print(f"{len(chosen) - missed} of {len(chosen)} guards are missed by a test when they are gone")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

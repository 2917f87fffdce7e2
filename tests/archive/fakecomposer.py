"""A program that is called as `meetref compose` is, and does what the manifest's folder tells it to: `how` in a file.

    python -m tests.archive.fakecomposer FOLDER --out DIR --chat FILE --json
It stands alone, so that starting it costs little. Read next: tests/archive/test_composecommand.py.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    folder, into, chat = Path(sys.argv[1]), Path(sys.argv[3]), Path(sys.argv[5])
    assert (sys.argv[2], sys.argv[4], sys.argv[6]) == ("--out", "--chat", "--json")
    how = (folder / "how").read_text() if (folder / "how").exists() else "well"
    print("a library says something", flush=True)
    if how == "failed":
        return say({"failed": "Nobody said anything."}) or 1
    if how == "full":
        return say({"failed": "The disk is full.", "full": True}) or 1
    if how == "silent":
        time.sleep(600)
    for number in range(4):
        say({"done": number / 4})
        time.sleep(float(os.environ.get("FAKE_COMPOSER_STEP", "0")))
        if how == "signal" and number == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        if how == f"kill worker at {number}" and not (folder / "killed").exists():
            (folder / "killed").touch()
            os.kill(os.getppid(), signal.SIGKILL)
    if how == "code":
        print("Traceback: out of luck", file=sys.stderr)
        return 7
    if how == "long line":
        sys.stdout.write("x" * 1_000_000 + "\n")
    part = into.with_name(into.name + ".part")
    (part / "people").mkdir(parents=True)
    texts = {"chat": json.loads(chat.read_text()), "nice": os.nice(0), "session": os.getsid(0) == os.getpid()}
    (part / "index.json").write_text(json.dumps(texts))
    for name in ("film.mp4", "people/p1.webm", "poster.jpg"):
        (part / name).write_bytes(f"{name} of {into.name}".encode())
    if how != "nothing":
        part.rename(into)
    say({"composed": str(into)})
    if how == "kill worker at the end" and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getppid(), signal.SIGKILL)
    return 0


def say(words: dict[str, object]) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    sys.exit(main())

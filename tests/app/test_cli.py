"""The command line: exit codes, one sentence for what goes wrong, and nothing imported that is not needed."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

import meetref
from meetref.app import cli
from meetref.app.command import CommandFailed

Behave = Callable[[argparse.Namespace], int]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[Behave], None]:
    """Put a command `fake` in place that behaves as told."""

    def put(behave: Behave) -> None:
        module = ModuleType("meetref.app.fake", "A command that is not there.\n\nMore.")
        module.add_arguments = lambda parser: parser.add_argument("--number", type=int)  # type: ignore[attr-defined]
        module.run = behave  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "meetref.app.fake", module)
        monkeypatch.setitem(cli.COMMANDS, "fake", "pretend")

    return put


def raising(error: BaseException) -> Behave:
    def behave(arguments: argparse.Namespace) -> int:
        raise error

    return behave


def exit_code(words: list[str]) -> int:
    try:
        return cli.main(words)
    except SystemExit as leaving:
        return int(leaving.code or 0)


@pytest.mark.parametrize("code", [0, 1, 2, 127])
def test_a_commands_answer_is_the_exit_code(fake: Callable[[Behave], None], code: int) -> None:
    fake(lambda arguments: code)
    assert cli.main(["fake", "--number", "3"]) == code


def test_what_a_person_can_mend_is_one_sentence(
    fake: Callable[[Behave], None], capsys: pytest.CaptureFixture[str]
) -> None:
    fake(raising(ExceptionGroup("many", [CommandFailed("the port is taken", 1)])))
    assert cli.main(["fake"]) == 1
    assert capsys.readouterr().err == "meetref: the port is taken\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("three"), "unexpected ValueError: three"),
        (FileNotFoundError(2, "No such file or directory", "x.pcapng"), "x.pcapng: No such file or directory"),
        (ExceptionGroup("a", [ExceptionGroup("b", [KeyError("k")])]), "unexpected KeyError: 'k'"),
    ],
)
def test_an_unexpected_error_is_one_sentence(
    fake: Callable[[Behave], None], capsys: pytest.CaptureFixture[str], error: Exception, sentence: str
) -> None:
    fake(raising(error))
    assert cli.main(["fake"]) == 1
    assert capsys.readouterr().err == f"meetref: {sentence} (--traceback shows more)\n"


@pytest.mark.parametrize("words", [["--traceback", "fake"], ["fake", "--traceback"]])
def test_traceback_shows_more(
    fake: Callable[[Behave], None], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    fake(raising(ValueError("three")))
    assert cli.main(words) == 1
    error = capsys.readouterr().err
    assert "in behave" in error
    assert error.endswith("meetref: unexpected ValueError: three\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BaseExceptionGroup("stopped", [KeyboardInterrupt()])])
def test_an_interrupt_is_quiet(
    fake: Callable[[Behave], None], capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    fake(raising(error))
    assert cli.main(["fake"]) == 130
    assert capsys.readouterr() == ("", "")


def test_an_unknown_command_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["serv"]) == 2
    assert capsys.readouterr().err == "meetref: there is no command 'serv'; did you mean serve?\n"


def test_a_command_that_is_not_installed_is_unsupported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "absent", "not there")
    assert exit_code(["absent"]) == 127
    assert capsys.readouterr().err == "meetref: absent is not part of this installation (no meetref.app.absent)\n"


@pytest.mark.parametrize("command", list(cli.COMMANDS))
@pytest.mark.parametrize("nonsense", [["--no-such-option"], ["--help=yes"], ["\x00\x1b[31m", "--\u2603"]])
def test_nonsense_is_survived(command: str, nonsense: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code([command, *nonsense]) in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "unexpected" not in said
    assert said


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code([command, "--help"]) == 0
    assert f"usage: meetref {command}" in capsys.readouterr().out


def test_no_command_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code([]) == 2
    assert "commands:" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    script = "import sys; from meetref.app.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    script += "assert not {'trio', 'msgspec', 'cryptography', 'numpy', 'av'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in cli.COMMANDS)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    script = "from meetref.app.cli import main; raise SystemExit(main(['spec', 'report', '--json']))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=30) == 0
    assert said == ""


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--version"]) == 0
    assert capsys.readouterr().out == f"meetref {meetref.__version__}\n"

"""`.ci/install`: whatever stands in a newcomer's way is told in one sentence. Interpreters here are shell scripts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT

TOOLS = ("sh", "grep", "tail", "head", "rm", "mkdir", "cat", "chmod", "cp")

# An interpreter that answers what the script asks one, as its version, its modules and its pip would.
INTERPRETER = """#!/bin/sh
case "$*" in
    *'print("%d.%d"'*) {version} ;;
    *'version_info < (3, 11)'*) exit {too_old} ;;
    *'import venv, ensurepip'*) exit {lacks_venv} ;;
    '-m venv '*) {make} ;;
    *'pip.__version__'*) exit 0 ;;
    '-m pip install'*) {pip} ;;
    *) echo "asked for: $*" >&2; exit 70 ;;
esac
"""
GOOD = {"version": "echo 3.12", "too_old": "0", "lacks_venv": "0", "make": "exit 0", "pip": "exit 0"}


class Machine:
    """A machine with some shell tools and the interpreters that a test puts on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.environment = folder / "environment"
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, tool
            (self.programs / tool).symlink_to(found)

    def interpreter(self, name: str, **answers: str) -> Path:
        """Put an interpreter on the PATH; the environments that it makes hold a copy of one called `inner`."""
        path = self.programs / name
        make = f'mkdir -p "$3/bin" && cp {self.programs / "inner"} "$3/bin/python"'
        path.write_text(INTERPRETER.format(**{**GOOD, "make": make, **answers}))
        path.chmod(0o755)
        return path

    def install(self, python: str = "python3", what: str = "runtime") -> tuple[int, str, str]:
        command = [str(ROOT / ".ci" / "install"), python, str(self.environment), what]
        done = subprocess.run(
            command, cwd=self.folder, env={"PATH": str(self.programs)}, capture_output=True, text=True, timeout=30,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.interpreter("inner")
    return machine


def sentence(machine: Machine, **more: str) -> str:
    """What is said when it does not work: one line, and exit code 1."""
    code, _, said = machine.install(**more)
    assert code == 1
    assert said.startswith("meetref: ")
    assert said.count("\n") == 1, said
    return said.removeprefix("meetref: ").rstrip("\n")


def test_a_good_machine(machine: Machine) -> None:
    machine.interpreter("python3")
    code, out, said = machine.install()
    assert (code, said) == (0, "")
    assert "with Python 3.12" in out
    assert (machine.environment / "bin" / "python").exists()
    code, out, _ = machine.install(what="test")
    assert (code, "making" in out) == (0, False)


def test_no_python(machine: Machine) -> None:
    assert sentence(machine) == (
        "there is no program python3; install Python 3.11 or later, or say PYTHON=/path/to/python3"
    )


def test_a_python_that_does_not_run(machine: Machine) -> None:
    machine.interpreter("python3", version="echo 'pyenv: no version is set' >&2; exit 1")
    assert sentence(machine) == "python3 does not run (pyenv: no version is set); say PYTHON=/path/to/python3"


def test_an_old_python(machine: Machine) -> None:
    machine.interpreter("python3", version="echo 3.9", too_old="1")
    assert sentence(machine) == (
        "Python 3.11 or later is needed and python3 is Python 3.9; install a newer one and say PYTHON=/path/to/python3"
    )
    machine.interpreter("python3.13", lacks_venv="1")
    machine.interpreter("python3.12")
    assert sentence(machine).endswith("python3 is Python 3.9; python3.12 is here: say PYTHON=python3.12")
    assert not machine.environment.exists()


def test_no_venv_module(machine: Machine) -> None:
    machine.interpreter("python3", lacks_venv="1")
    assert sentence(machine) == (
        "python3 comes without its venv module; on Debian and Ubuntu: sudo apt install python3.12-venv"
    )
    assert not machine.environment.exists()


def test_an_environment_that_cannot_be_made(machine: Machine) -> None:
    machine.interpreter("python3", make="echo 'first line' >&2; echo 'No space left on device' >&2; exit 1")
    assert sentence(machine) == f"{machine.environment} cannot be made: No space left on device"


def test_no_network(machine: Machine) -> None:
    machine.interpreter("inner", pip="echo 'WARNING: Retrying after NewConnectionError(...)'; exit 1")
    machine.interpreter("python3")
    said = sentence(machine)
    assert said.startswith("the Python package index cannot be reached, and the first start needs it; once connected, ")
    assert "NewConnectionError" in (machine.environment / "pip.log").read_text()


def test_a_package_that_cannot_be_installed(machine: Machine) -> None:
    machine.interpreter("inner", pip="echo 'ERROR: No matching distribution found for tea'; exit 1")
    machine.interpreter("python3")
    assert sentence(machine, what="docs").startswith(
        "pip could not install what docs needs: ERROR: No matching distribution found for tea ("
    )


def test_an_environment_that_broke_is_made_anew(machine: Machine) -> None:
    """The interpreter of an environment is a link: it dies with the Python that it was made with."""
    machine.interpreter("python3")
    (machine.environment / "bin").mkdir(parents=True)
    (machine.environment / "bin" / "python").symlink_to(machine.folder / "gone")
    (machine.environment / "leftover").touch()
    code, out, _ = machine.install()
    assert (code, "making" in out) == (0, True)
    assert not (machine.environment / "leftover").exists()

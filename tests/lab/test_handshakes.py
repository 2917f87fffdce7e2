"""The lab that counts handshakes: every figure is there, nothing is compared with what is absent, mistakes are told."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed
from meetref.lab import handshakes
from meetref.lab.handshakeparty import Theirs, play
from meetref.wire.tls import P_256, X25519


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    handshakes.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "HANDSHAKES", 2)


@pytest.mark.peer("pyopenssl")
def test_every_group_has_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert handshakes.run(options("--quick", "--json", str(file))) == 0
    report = json.loads(file.read_text())
    figures = report["figures"]
    assert figures["ratio_to_pyopenssl"] == figures["x25519_ratio_to_pyopenssl"] > 0
    assert figures["p256_ratio_to_pyopenssl"] > 0
    for group in ("x25519mlkem768", "x25519", "p256", "p384"):
        assert figures[f"dtls13_{group}_ours_per_cpu_second"] > 0
    assert report["settings"]["pyopenssl"] is True
    said = capsys.readouterr().out
    assert said.count("1.2  ") == 2
    assert said.count("1.3  ") == 4


def test_without_pyopenssl_nothing_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Theirs, "is_installed", lambda: False)
    file = tmp_path / "figures.json"
    assert handshakes.run(options("--rounds", "1", "--json", str(file))) == 0
    figures = json.loads(file.read_text())["figures"]
    assert len(figures) == 8
    assert not any("pyopenssl" in name for name in figures)
    assert "pyOpenSSL is not installed (pip install pyopenssl)" in capsys.readouterr().out


def test_another_group_than_the_one_measured_is_told() -> None:
    bench = handshakes.Bench(1)
    *spent, one = play(
        lambda: bench.ours("client", "1.3", X25519), lambda: bench.ours("server", "1.3", X25519), count=1
    )
    assert one.group == "X25519"
    assert min(spent) > 0
    with pytest.raises(CommandFailed, match="P-256"):
        handshakes.check_group(one, P_256)


def test_two_that_never_end_are_told() -> None:
    bench = handshakes.Bench(1)
    with pytest.raises(CommandFailed, match="did not come to an end"):
        play(lambda: bench.ours("client", "1.3", X25519), lambda: bench.ours("server", "1.3", P_256), count=1)


def test_nonsense_is_refused() -> None:
    with pytest.raises(CommandFailed, match="rounds"):
        handshakes.run(options("--rounds", "0"))

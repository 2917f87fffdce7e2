"""What every test may use: peers, requirements, seeds, the homes of an event log, and Hypothesis' settings.

    @pytest.mark.peer("openssl")          needs a program or package that nobody here wrote
    @pytest.mark.spec("stun/magic", ...)  proves these requirements when it passes
    @pytest.mark.soak(ci=3, full=1000)    the argument `seed` takes 3 values, and 1000 with --soak; 0 is only then
    @pytest.mark.slow                     takes more than ten seconds; leave out with -m "not slow"

Options: --peers=optional|required|none, --soak, --seed N. What passed is written to .cache/spec-results.json,
from which `meetref spec report` tells which requirements are verified.
Read next: tests/peer_registry.py (how each peer is found), docs/testing.md.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import platform
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.peer_registry import PEERS, why_absent
from tests.peers.kafkabroker import Broker, running_broker
from tests.peers.s3server import S3Server, running_s3

ROOT = Path(__file__).parent.parent
IN_CI = bool(os.environ.get("CI"))

settings.register_profile("default", max_examples=100, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("soak", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])

OUTCOMES: pytest.StashKey[dict[str, bool]] = pytest.StashKey()
REQUIREMENTS: pytest.StashKey[dict[str, list[str]]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("meetref")
    wishes = ("optional", "required", "none")
    group.addoption("--peers", choices=wishes, default="optional", help="absent peers: skip, fail; none: skip them all")
    group.addoption("--soak", action="store_true", help="take the full number of seeds of every test marked soak")
    results = ROOT / ".cache" / "spec-results.json"
    group.addoption("--spec-results", type=Path, default=results, help="where to write which requirements passed")
    group.addoption("--seed", type=int, default=None, help="run the tests marked soak with this one seed")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "peer(name, ...): needs these peers (tests/peer_registry.py)",
        "spec(id, ...): proves these requirements of spec/*.toml",
        "soak(ci, full): runs with many seeds, given as the argument `seed`",
        "slow: takes more than ten seconds",
    ):
        config.addinivalue_line("markers", line)
    config.stash[OUTCOMES] = {}
    config.stash[REQUIREMENTS] = {}
    settings.load_profile("soak" if config.getoption("--soak") else "ci" if IN_CI else "default")


def pytest_report_header(config: pytest.Config) -> str:
    seeds = f", today's seed {_today()}" if IN_CI else ""
    return f"meetref: Python {platform.python_version()}, peers {config.getoption('--peers')}{seeds}"


# --- seeds ----------------------------------------------------------------------------------------


def _today() -> int:
    return int(datetime.datetime.now(tz=datetime.UTC).strftime("%Y%m%d"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("soak")
    if marker is None:
        return
    if "seed" not in metafunc.fixturenames:
        raise pytest.UsageError(f"{metafunc.definition.nodeid} is marked soak and takes no argument `seed`")
    metafunc.parametrize("seed", list(_seeds(metafunc.config, **marker.kwargs)), ids=lambda seed: f"seed={seed}")


def _seeds(config: pytest.Config, ci: int, full: int) -> list[int]:
    """A few fixed seeds; in CI some of the few change from day to day, so that the year covers a thousand."""
    one = config.getoption("--seed")
    if one is not None:
        return [one]
    if config.getoption("--soak"):
        return list(range(full))
    changing = min(ci, max(1, ci // 3)) if IN_CI else 0
    return [*range(ci - changing), *(_today() * 100 + number for number in range(changing))]


# --- peers ----------------------------------------------------------------------------------------


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for name in _marked(item, "peer"):
            if name not in PEERS:
                raise pytest.UsageError(f"{item.nodeid}: no peer is called {name!r}; there are {', '.join(PEERS)}")
    if config.getoption("--soak") or config.getoption("--seed") is not None:
        soaked = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=[item for item in items if item not in soaked])
        items[:] = soaked


def pytest_runtest_setup(item: pytest.Item) -> None:
    wish = item.config.getoption("--peers")
    for name in _marked(item, "peer"):
        if wish == "none":
            pytest.skip(f"peer {name}: left out by --peers=none")
        reason = why_absent(name)
        if reason is not None and wish == "required":
            pytest.fail(f"peer {name} is required and absent: {reason}", pytrace=False)
        if reason is not None:
            pytest.skip(f"peer {name} is absent: {reason}")


def _marked(item: pytest.Item, marker: str) -> list[str]:
    return [name for mark in item.iter_markers(marker) for name in mark.args]


# --- the event log --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One for all tests, each of which has a topic of its own. Who kills it starts it again."""
    with running_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.peer("kafka"))])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a log is that nobody has used yet: a file, or a topic."""
    if request.param == "sqlite":
        return str(tmp_path / "log.db")
    broker: Broker = request.getfixturevalue("kafka_broker")
    return broker.new_url()


# --- objects --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One for all tests, each of which has a bucket of its own. Who kills it starts it again."""
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


# --- requirements ---------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    ids = _marked(item, "spec")
    if ids or "tests/vectors/" in item.nodeid:
        outcomes = item.config.stash[OUTCOMES]
        if report.failed:
            outcomes[item.nodeid] = False
        elif report.when == "call" and report.passed:
            outcomes.setdefault(item.nodeid, True)
        item.config.stash[REQUIREMENTS][item.nodeid] = ids
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Merge what ran now into what ran before: a test that was not run keeps its last result."""
    outcomes = session.config.stash[OUTCOMES]
    if not outcomes:
        return
    path: Path = session.config.getoption("--spec-results")
    path.parent.mkdir(exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:  # two runs may go on side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        tests = _read_results(path)
        for nodeid, passed in outcomes.items():
            tests[nodeid] = {"passed": passed, "spec": session.config.stash[REQUIREMENTS][nodeid]}
        tests = {nodeid: result for nodeid, result in tests.items() if (ROOT / nodeid.split("::")[0]).exists()}
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps({"tests": tests}, indent=1, sort_keys=True) + "\n")
        unfinished.replace(path)


def _read_results(path: Path) -> dict[str, Any]:
    try:
        tests: dict[str, Any] = json.loads(path.read_text())["tests"]
    except (OSError, ValueError, KeyError):
        return {}
    return tests

"""nginx as the edge in front of a webinar, with the configuration of docs/webinar.md as it stands there.

Only what a test must change is changed: addresses, and where the cache is. Its log says what the origin was asked.
Read next: tests/peers/test_webinar_edge.py.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

DOCUMENT = Path(__file__).parents[2] / "docs" / "webinar.md"
AROUND = """
user root;
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    types {{ text/html html; text/javascript js; }}
    log_format asked '$upstream_cache_status $status $request_uri';
    access_log {folder}/access.log asked;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {documented}
}}
"""


@dataclass
class Edge:
    """A running edge: its `url`, and the `players` folder that it serves at /players/."""

    url: str
    players: Path
    _log: Path

    def asked(self) -> tuple[Counter[str], Counter[str]]:
        """Of each address: how often viewers asked for it with success, and how often the origin was asked."""
        viewers, origin = Counter[str](), Counter[str]()
        for line in self._log.read_text().splitlines():
            cached, status, address = line.split(" ", 2)
            if status == "200":
                viewers[address] += 1
                origin[address] += cached in ("MISS", "EXPIRED", "BYPASS", "-")
        return viewers, origin


@asynccontextmanager
async def edge(folder: Path, origin: str) -> AsyncIterator[Edge]:
    """An edge in front of `origin`, an address with scheme and port."""
    found = re.search(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    players = folder / "players"
    players.mkdir()
    port = _free_port()
    files = f"location /players/ {{ root {folder}; }}\n    location / {{"
    documented = (
        found[1]
        .replace("/var/cache/nginx/webinar", f"{folder}/cache")
        .replace("listen 80;", f"listen 127.0.0.1:{port};")
    )
    documented = documented.replace("http://127.0.0.1:8080", origin).replace("location / {", files, 1)
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, documented=documented))
    command = [shutil.which("nginx") or "nginx", "-c", str(configuration), "-p", str(folder)]
    with (folder / "nginx.out").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: ASYNC220
    try:
        with trio.fail_after(10):
            while not _answers(port):
                assert process.poll() is None, (folder / "nginx.out").read_text()
                await trio.sleep(0.05)
        yield Edge(f"http://localhost:{port}", players, folder / "access.log")
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0

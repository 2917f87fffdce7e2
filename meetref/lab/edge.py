"""nginx in front of a webinar, as docs/webinar.md has it: what an audience really talks to.

The configuration is `edge.conf`, the same text as in the document. Only what must change is changed: addresses, and
where the cache is. Its log tells what viewers asked for, and what of it the origin was asked.
Stands on `lab/child`; `lab/webinar` and `lab/spectators` put it in front of a server, tests do, too.
Specification: docs/webinar.md. Leaves out: TLS and HTTP/2, as everything is on loopback.
Read next: `lab/webinar.py`.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from meetref.app.command import CommandFailed, Exit
from meetref.lab.child import Child, open_program

DOCUMENTED = Path(__file__).with_name("edge.conf")
AROUND = """
user root;
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
worker_rlimit_nofile 32768;
error_log {folder}/error.log warn;
events {{ worker_connections 16384; }}
http {{
    types {{ text/html html; text/javascript js; }}
    log_format asked '$upstream_cache_status $status $request_uri';
    access_log {folder}/access.log asked;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {documented}
}}
"""
PLAYERS = "players"
ASKED = ("MISS", "EXPIRED", "BYPASS", "-")


@dataclass
class Edge:
    """A running edge: its `url` and `port`, and the `players` folder that it serves at /players/."""

    url: str
    port: int
    players: Path
    child: Child
    _log: Path

    def asked(self) -> tuple[Counter[str], Counter[str]]:
        """Of each address: how often viewers asked for it with success, and how often the origin was asked."""
        viewers, origin = Counter[str](), Counter[str]()
        for line in self._log.read_text().splitlines():
            cached, status, address = line.split(" ", 2)
            if status == "200":
                viewers[address] += 1
                origin[address] += cached in ASKED
        return viewers, origin


@asynccontextmanager
async def open_edge(origin: str, *before: str) -> AsyncIterator[Edge]:
    """An edge in front of `origin`, an address with scheme and port, run by `before`. Raises `ChildFailed`."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="meetref-edge-") as made:
        folder = Path(made)
        _furnish(folder, port, origin)
        nginx = shutil.which("nginx") or "nginx"
        command = [*before, nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
        async with open_program("edge", command, by_signal=True, folder=folder) as child:
            await child.answers_at(port)
            yield Edge(f"http://localhost:{port}", port, folder / PLAYERS, child, folder / "access.log")


def _furnish(folder: Path, port: int, origin: str) -> None:
    (folder / PLAYERS).mkdir()
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, documented=_adapted(folder, port, origin)))


def _adapted(folder: Path, port: int, origin: str) -> str:
    """What is documented, for one machine."""
    files = f"location /{PLAYERS}/ {{ root {folder}; }}\n    location / {{"
    return (
        DOCUMENTED.read_text()
        .replace("/var/cache/nginx/webinar", f"{folder}/cache")
        .replace("listen 80;", f"listen 127.0.0.1:{port};")
        .replace("http://127.0.0.1:8080", origin)
        .replace("location / {", files, 1)
    )


def demand_nginx() -> None:
    """Raises `CommandFailed` where there is none."""
    if shutil.which("nginx") is None:
        raise CommandFailed("there is no program nginx on the PATH (apt install nginx-light)", Exit.UNSUPPORTED)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Print the task tree of a running server in words: `room demo > alice > up`.

    meetref tree                              of the server on this machine
    meetref tree --url https://meet.example --admin-token-file FILE

Stands on the server's `/api/tree`, which `net/taskview` makes.
Leaves out: certificates that nobody knows (run it on the server's own machine, by http or with --insecure).
"""

from __future__ import annotations

import argparse
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from meetref.app.certificates import make_client_tls
from meetref.app.command import CommandFailed, Exit, print_json
from meetref.app.tokens import read_admin_token

TIMEOUT = 10.0  # seconds
MAXIMUM_SIZE = 16 * 1024 * 1024  # octets of an answer
MAXIMUM_DEPTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which server, and how to show it."""
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the server (http://127.0.0.1:8080)")
    parser.add_argument("--admin-token-file", type=Path, metavar="FILE", help="for a server on another machine")
    parser.add_argument("--insecure", action="store_true", help="accept any certificate, such as a self-signed one")
    parser.add_argument("--paths", action="store_true", help="one line for each task: room demo > alice > up")
    parser.add_argument("--json", action="store_true", help="print the tree as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    token = read_admin_token(arguments.admin_token_file) if arguments.admin_token_file else None
    tree = fetch_tree(arguments.url, token=token, insecure=arguments.insecure)
    if arguments.json:
        print_json(tree)
    else:
        for line in paths(tree) if arguments.paths else branches(tree):
            print(line)
    return Exit.DONE


def fetch_tree(url: str, *, token: str | None = None, insecure: bool = False) -> list[dict[str, Any]]:
    """The tree of the server at `url`: `[{"name": ..., "children": [...]}]`. Raises `CommandFailed`."""
    connection = _connection(url, insecure)
    try:
        connection.request("GET", "/api/tree", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        body = answer.read(MAXIMUM_SIZE)
    except (OSError, http.client.HTTPException) as error:
        raise CommandFailed(f"no meetref answers at {url} ({getattr(error, 'strerror', None) or error})") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise CommandFailed(f"{url} answers {answer.status}: {body.decode(errors='replace').strip()[:300]}")
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        raise CommandFailed(f"what answers at {url} is no meetref") from None
    return tree if isinstance(tree, list) else [tree]


def branches(nodes: Any, depth: int = 0) -> list[str]:
    """The tree as indented lines."""
    lines = []
    for name, children in _named(nodes, depth):
        lines += ["  " * depth + name, *branches(children, depth + 1)]
    return lines


def paths(nodes: Any, depth: int = 0) -> list[str]:
    """One line for each task that owns no other: the way that leads to it."""
    lines = []
    for name, children in _named(nodes, depth):
        lines += [f"{name} > {below}" for below in paths(children, depth + 1)] or [name]
    return lines


def _named(nodes: Any, depth: int) -> list[tuple[str, Any]]:
    """Names with control characters made visible: they are shown on a terminal, and people choose theirs."""
    if not isinstance(nodes, list) or depth > MAXIMUM_DEPTH:
        return []
    rows = [node for node in nodes if isinstance(node, dict)]
    return [
        (
            "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(row.get("name"))),
            row.get("children"),
        )
        for row in rows
    ]


def _connection(url: str, insecure: bool) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("http", "https"):
        raise CommandFailed(f"{url[:100]!r} is no address such as http://127.0.0.1:8080", Exit.WRONG_COMMAND_LINE)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=make_client_tls(insecure=insecure))

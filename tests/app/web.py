"""An ASGI application asked in memory: no socket, no HTTP parser, so that it works on the virtual network, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import trio
from starlette.types import ASGIApp

Rest = Literal["none", "late", "gone"]


@dataclass(frozen=True)
class Answer:
    """What came back. Names of headers are lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def every(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def text(self) -> str:
        return self.body.decode()


class Web:
    """A client at `host`."""

    def __init__(self, app: ASGIApp, host: str = "192.0.2.77") -> None:
        self._app = app
        self._host = host

    async def ask(
        self, method: str, target: str, body: str | bytes = b"", *, rest: Rest = "none", **headers: str
    ) -> Answer:
        """One request; underlines in the names of headers are hyphens.

        Behind `body` there is no rest, or the client is `late` with it for ever, or `gone`.
        """
        named = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
        path, _, query = target.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "query_string": query.encode(),
            "client": (self._host, 7), "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }  # fmt: skip
        octets = body.encode() if isinstance(body, str) else body
        given = iter([{"type": "http.request", "body": octets, "more_body": rest != "none"}])
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if (message := next(given, None)) is not None:
                return message
            if rest == "late":
                await trio.sleep_forever()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        await self._app(scope, receive, send)  # type: ignore[arg-type]
        start = next(message for message in said if message["type"] == "http.response.start")
        return Answer(
            start["status"],
            [(name.decode().lower(), value.decode()) for name, value in start["headers"]],
            b"".join(message.get("body", b"") for message in said if message["type"] == "http.response.body"),
        )

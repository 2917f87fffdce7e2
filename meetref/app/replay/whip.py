"""A server of WHIP or WHEP as the target of `meetref vectors replay`: the requests of vectors/whip, and its answers.

Stands above `app/replay/web`, below `app/replay/command`. Specification: vectors/whip/README.md for the words.
Leaves out: media. What becomes of a session once it is answered is not looked at.
Read next: `app/replay/command.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from meetref.app.replay.settings import Settings
from meetref.app.replay.verdict import Case, Outcome, agreed, differed, untried
from meetref.app.replay.web import Answer, Ask, ask_at
from meetref.net.network import Network
from meetref.wire import sdp, sdpfragment
from meetref.wire.reader import Malformed

CLASSES = {"2xx": range(200, 300), "4xx": range(400, 500)}
ABSENT = "nothing"


class WhipTarget:
    """A server whose endpoints are at `paths`, by kind. With a `token` it wants it in every request."""

    sets: tuple[str, ...] = ("whip/requests",)

    def __init__(self, ask: Ask, paths: Mapping[str, str], token: str | None) -> None:
        self._ask = ask
        self._paths = paths
        self._token = token

    @classmethod
    async def open(cls, network: Network, settings: Settings) -> WhipTarget:
        """Ready to ask."""
        return cls(ask_at(network, settings.target), dict(settings.paths), settings.token)

    async def why_unusable(self) -> str | None:
        for path in self._paths.values():
            if await self._ask("OPTIONS", path, {}, b"") is None:
                return f"gives no sane answer to OPTIONS of {path}"
        return None

    async def play(self, case: Case) -> Outcome:
        """Ask what the case asks, one request after the other, and hold every answer against what is wanted."""
        path = self._paths.get(case["init"]["endpoint"])
        if path is None:
            return untried(case, f"granted by --{case['init']['endpoint']} PATH")
        if case["init"].get("token") == "demanded" and self._token is None:
            return untried(case, "the target needs no token, or none was told with --token")
        play = _Play(self._ask, path, self._token if case["init"].get("token") is None else None)
        play.names["token"] = self._token or ""
        try:
            for step in case["steps"]:
                difference = await play.step(step)
                if difference is not None:
                    return differed(case, *difference)
        finally:
            await play.tidy()
        return agreed(case)

    def lasts_for(self, case: Case) -> float:
        return 0.0

    async def close(self) -> None:
        pass


class _Play:
    """One case. `names` are what its steps have bound."""

    def __init__(self, ask: Ask, endpoint: str, token: str | None) -> None:
        self._ask = ask
        self._endpoint = endpoint
        self._usual = {"authorization": f"Bearer {token}"} if token is not None else {}
        self.names: dict[str, str] = {}
        self._answer: Answer | None = None
        self._ufrag: str | None = None
        self._opened: list[tuple[str, Mapping[str, str]]] = []

    async def step(self, step: Case) -> tuple[str, str] | None:
        """What was wanted and what came instead; None where all is well."""
        if "receive" in step:
            request = step["receive"]
            path = self._endpoint if request["to"] == "endpoint" else self._session(self.names["session"])
            headers = {name: self._named(value) for name, value in request["headers"].items()}
            self._answer = await self._ask(
                request["method"], path, {**self._usual, **headers}, request["body"].encode()
            )
            self._note_session(headers)
            return None
        difference = self._compare(step["expect"])
        for header, name in step.get("bind", {}).items():
            if difference is None and self._answer is not None:
                self.names[name] = self._answer.headers[header]
        return difference

    async def tidy(self) -> None:
        """Leave no session behind, for a server has only so many places."""
        for session, headers in self._opened:
            await self._ask("DELETE", session, headers, b"")

    def _note_session(self, asked: Mapping[str, str]) -> None:
        answer = self._answer
        if answer is not None and answer.status == 201 and "location" in answer.headers:
            with_token = {name: value for name, value in asked.items() if name == "authorization"}
            self._opened.append((self._session(answer.headers["location"]), {**self._usual, **with_token}))

    def _session(self, location: str) -> str:
        """The path of a session, wherever the answer was that named it."""
        place = urlsplit(urljoin(self._endpoint, location))
        return f"{place.path}?{place.query}" if place.query else place.path

    def _named(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(f"${name}", value)
        return text

    # --- what came ------------------------------------------------------------------------------------

    def _compare(self, wanted: Case) -> tuple[str, str] | None:
        answer = self._answer
        if answer is None:
            return f"{wanted['status']}", "no sane answer"
        if answer.status not in _statuses(wanted["status"]):
            return f"{wanted['status']}", f"{answer.status}"
        for name, value in wanted["headers"].items():
            difference = self._compare_header(name, value, answer.headers.get(name))
            if difference is not None:
                return difference
        try:
            return self._compare_body(wanted.get("body"), answer.body)
        except (Malformed, UnicodeDecodeError) as error:
            return f"{wanted['body']}", f"a body that cannot be read ({error})"

    def _compare_header(self, name: str, wanted: Any, got: str | None) -> tuple[str, str] | None:
        if wanted is None or wanted is True:
            fine, said = (got is not None) == (wanted is True), "one" if wanted else ABSENT
        elif isinstance(wanted, dict):
            fine, said = got not in (None, self._named(wanted["not"])), "another one than before"
        else:
            fine, said = got is not None and got.partition(";")[0].strip().lower() == wanted.lower(), wanted
        return None if fine else (f"{name}: {said}", f"{name}: {got or ABSENT}")

    def _compare_body(self, wanted: Any, body: bytes) -> tuple[str, str] | None:
        if wanted is None:
            return None
        if wanted == "empty":
            return None if not body else ("an empty body", f"{len(body)} octets")
        if "sdp" in wanted:
            return self._compare_description(wanted["sdp"], sdp.parse(body.decode()))
        ufrag = _first(sdpfragment.parse(body.decode()), "ice-ufrag")
        fine = ufrag is not None and ufrag != self._ufrag
        return None if fine else ("a fragment with new credentials", f"the ufrag {ufrag or ABSENT}")

    def _compare_description(self, wanted: Case, got: sdp.Session) -> tuple[str, str] | None:
        self._ufrag = _first(got, "ice-ufrag")
        found = {
            "directions": [sdp.direction(got, section) for section in got.sections],
            "setup": _first(got, "setup"),
            "candidates": any(section.has("candidate") for section in got.sections),
            "mux_only": all(section.has("rtcp-mux-only") for section in got.sections),
        }
        for name, value in wanted.items():
            if found[name] != value:
                return f"{name} {value}", f"{found[name]}"
        return None


def _statuses(wanted: Any) -> Any:
    if isinstance(wanted, str):
        return CLASSES[wanted]
    return wanted if isinstance(wanted, list) else [wanted]


def _first(described: sdp.Session | sdpfragment.Fragment, name: str) -> str | None:
    """The value of an attribute, from wherever it stands first."""
    places = (described, *described.sections)
    return next((value for place in places if (value := place.value(name)) is not None), None)

"""Makes vectors/whip: requests to a server of WHIP or WHEP, and the answers that the documents want.

The descriptions are our own offers with documentation addresses in them; nothing here asks a server.
Specification: RFC 9725, draft-ietf-wish-whep-03; vectors/whip/README.md has the words of the steps.
Read next: tests/vectors/test_whip.py, which plays them to our doors.
"""

from __future__ import annotations

from typing import Any

from tests.generate.sdp import CLIENT
from tests.generate.stepcases import Case, Step, machine_set
from tests.protocol.oneway_offers import publication, request

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
CLIENTS_FAULT = "4xx"
UNUSABLE = [400, 422]

Row = tuple[str, str, Case, list[Step]]


def sets() -> dict[str, Case]:
    """All sets of this stem."""
    return {
        "whip/requests": machine_set(
            "whip/requests",
            [
                ("whip", "RFC 9725 sections 4.1 to 4.4", _rows("whip", publication(local=CLIENT))),
                ("whep", "draft-ietf-wish-whep-03 sections 4.1 to 4.6", _rows("whep", request(local=CLIENT))),
                ("whip", "RFC 9725 section 4.4", _publishing()),
                ("whep", "draft-ietf-wish-whep-03 sections 4.2 and 4.3", _watching()),
                ("whip", "RFC 9725 section 4.7.1", _tokens("whip", publication(local=CLIENT))),
                ("whep", "draft-ietf-wish-whep-03 section 4.9.1", _tokens("whep", request(local=CLIENT))),
            ],
        )
    }


# --- steps ----------------------------------------------------------------------------------------


def ask(method: str, to: str = "endpoint", body: str = "", **headers: str) -> Step:
    """A request, at once; underlines in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"at_ms": 0, "receive": {"method": method, "to": to, "headers": named, "body": body}}


def answers(status: Any, body: Any = None, *, bind: dict[str, str] | None = None, **headers: Any) -> Step:
    """What must come back; a header of value None must not be there, one of value True must be."""
    expect = {"status": status, "headers": {name.replace("_", "-"): value for name, value in headers.items()}}
    step: Step = {"at_ms": 0, "expect": expect | ({} if body is None else {"body": body})}
    return step | ({"bind": bind} if bind else {})


def opened(offer: str) -> list[Step]:
    """A session that there is."""
    bind = {"location": "session", "etag": "tag"}
    return [ask("POST", body=offer, content_type=SDP), answers(201, location=True, etag=True, bind=bind)]


def patch(fragment: str, **headers: str) -> Step:
    return ask("PATCH", "session", fragment, **{"content_type": FRAGMENT, **headers})


def _fragment(credentials: tuple[str, str], *rows: str) -> str:
    ufrag, password = credentials
    lines = [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0"]
    return "".join(f"{line}\r\n" for line in [*lines, *rows])


CANDIDATE = "a=candidate:1 1 udp 2130706431 192.0.2.77 61764 typ host"
NOW = CLIENT.ufrag, CLIENT.password
NEXT = "next", "nextpassword0123456789"
TRICKLED = _fragment(NOW, CANDIDATE)
RENEWED = _fragment(NEXT, CANDIDATE)
ODD = _fragment(
    NOW,
    "a=candidate:2 1 sctp 2130706431 192.0.2.77 61764 typ host",
    "a=candidate:3 1 udp 2130706430 no-such-name.invalid 61764 typ host",
    CANDIDATE,
    "a=end-of-candidates",
)


# --- what both have -------------------------------------------------------------------------------


def _rows(kind: str, offer: str) -> list[Row]:
    way = "recvonly" if kind == "whip" else "sendonly"
    described = {"sdp": {"directions": [way, way], "setup": "passive", "candidates": True}}
    answering = "answer-recvonly" if kind == "whip" else "answer-sendonly"
    rows: list[tuple[str, str, list[Step]]] = [
        (
            "an offer gets an answer, an address and a tag",
            f"answer-created tag-first all-candidates {answering}",
            [
                ask("POST", body=offer, content_type=SDP),
                answers(201, described, content_type=SDP, location=True, etag=True),
            ],
        ),
        (
            "a client that can only be active in DTLS",
            "client-may-be-active",
            [
                ask("POST", body=offer.replace("setup:actpass", "setup:active"), content_type=SDP),
                answers(201, described, content_type=SDP),
            ],
        ),
        (
            "every section of the answer says that there is one port",
            "rtcp-mux-only",
            [ask("POST", body=offer, content_type=SDP), answers(201, {"sdp": {"mux_only": True}})],
        ),
        *_wrong_offers(offer),
        *_looking(offer),
        *_trickling(offer),
        *_restarting(offer),
        *_ending(offer),
    ]
    return [(comment, _named(reqs), {"endpoint": kind}, steps) for comment, reqs, steps in rows]


def _named(reqs: str) -> str:
    return " ".join(f"whip/{name}" for name in reqs.split())


def _wrong_offers(offer: str) -> list[tuple[str, str, list[Step]]]:
    damaged = {
        "an offer that is no SDP": "hello",
        "an empty offer": "",
        "an offer whose version is not 0": offer.replace("v=0", "v=1"),
        "an offer whose port is no number": offer.replace("m=audio 9", "m=audio nine"),
    }
    return [
        *(
            (f"an offer of the type {given or 'none'}", "offer-type", [_post(offer, given), answers(CLIENTS_FAULT)])
            for given in ("text/plain", "application/json", FRAGMENT, "")
        ),
        *(
            (comment, "offer-malformed", [_post(text, SDP), answers(CLIENTS_FAULT)])
            for comment, text in damaged.items()
        ),
        (
            "an offer one of whose sections has a codec that nobody knows",
            "no-partial-answer",
            [_post(offer.replace("VP8/90000", "VP99/90000"), SDP), answers(UNUSABLE)],
        ),
    ]


def _post(offer: str, given: str) -> Step:
    return ask("POST", body=offer, **({"content_type": given} if given else {}))


def _looking(offer: str) -> list[tuple[str, str, list[Step]]]:
    return [
        ("GET finds nothing, and is no error", "get-is-empty", [ask("GET"), answers("2xx", "empty")]),
        (
            "nor is it one to look at a session",
            "get-is-empty",
            [*opened(offer), ask("GET", "session"), answers("2xx", "empty")],
        ),
        ("OPTIONS tells what may be posted", "options", [ask("OPTIONS"), answers(200, accept_post=SDP)]),
    ]


def _trickling(offer: str) -> list[tuple[str, str, list[Step]]]:
    taken = answers(204, "empty", etag=None)
    return [
        (
            "candidates trickle in, again with those that were told before",
            "trickle-answer",
            [
                *opened(offer),
                patch(TRICKLED, if_match="$tag"),
                taken,
                patch(TRICKLED + "a=end-of-candidates\r\n", if_match="$tag"),
                taken,
            ],
        ),
        (
            "candidates of no use are passed over",
            "candidate-discarded",
            [*opened(offer), patch(ODD, if_match="$tag"), taken],
        ),
        ("a change without a tag", "tag-missing", [*opened(offer), patch(TRICKLED), answers(428)]),
        (
            "a change with another tag",
            "tag-outdated",
            [*opened(offer), patch(TRICKLED, if_match='"never-heard-of"'), answers(412)],
        ),
        (
            "a change with a weak tag",
            "tag-outdated",
            [*opened(offer), patch(TRICKLED, if_match="W/$tag"), answers(412)],
        ),
        (
            "a change with several tags, one of which is right",
            "tag-outdated",
            [*opened(offer), patch(TRICKLED, if_match='"never-heard-of", $tag'), taken],
        ),
        *(
            (
                f"a change of the type {given}",
                "patch-type",
                [*opened(offer), patch(TRICKLED, if_match="$tag", content_type=given), answers(CLIENTS_FAULT)],
            )
            for given in ("text/plain", SDP)
        ),
        *(
            (
                f"a change that is no fragment: {what}",
                "fragment-malformed",
                [*opened(offer), patch(text, if_match="$tag"), answers(CLIENTS_FAULT)],
            )
            for what, text in {"text": "hello", "other lines": "v=0\r\n" + TRICKLED}.items()
        ),
    ]


def _restarting(offer: str) -> list[tuple[str, str, list[Step]]]:
    renewed = answers(
        200, {"fragment": {"new_credentials": True}}, content_type=FRAGMENT, etag={"not": "$tag"}, bind={"etag": "new"}
    )
    return [
        (
            "other credentials are a restart: new ones come back, with another tag, and the former tag is over",
            "restart-asked restart-answer tag-outdated",
            [
                *opened(offer),
                patch(RENEWED, if_match="*"),
                renewed,
                patch(RENEWED, if_match="$tag"),
                answers(412),
                patch(RENEWED, if_match="$new"),
                answers(204, "empty", etag=None),
            ],
        ),
        (
            "a restart that is refused changes nothing",
            "restart-refused-keeps",
            [
                *opened(offer),
                patch(_fragment(("next", "short"), CANDIDATE), if_match="*"),
                answers(CLIENTS_FAULT),
                patch(TRICKLED, if_match="$tag"),
                answers(204, "empty"),
            ],
        ),
    ]


def _ending(offer: str) -> list[tuple[str, str, list[Step]]]:
    return [
        (
            "DELETE ends a session, and then there is none",
            "delete-ends session-unknown",
            [
                *opened(offer),
                ask("DELETE", "session"),
                answers(200),
                ask("DELETE", "session"),
                answers(404),
                patch(TRICKLED, if_match="$tag"),
                answers(404),
            ],
        ),
        (
            "DELETE heeds no tag",
            "tag-ignored",
            [*opened(offer), ask("DELETE", "session", if_match='"never-heard-of"'), answers(200)],
        ),
    ]


# --- what only one has ----------------------------------------------------------------------------


def _publishing() -> list[Row]:
    offer, backwards = publication(local=CLIENT), request(local=CLIENT)
    taken = {"sdp": {"directions": ["recvonly", "recvonly"]}}
    rows: list[tuple[str, str, list[Step]]] = [
        (
            "an offer that goes both ways is answered in one",
            "answer-recvonly",
            [_post(offer.replace("a=sendonly", "a=sendrecv"), SDP), answers(201, taken)],
        ),
        ("an offer of somebody who wants to watch", "publishing-direction", [_post(backwards, SDP), answers(UNUSABLE)]),
        (
            "an offer that sends nothing",
            "publishing-direction",
            [_post(offer.replace("a=sendonly", "a=inactive"), SDP), answers(UNUSABLE)],
        ),
        (
            "two pictures: taken whole, or refused as a whole",
            "one-track-a-kind",
            [_post(publication("audio", "video", "video", local=CLIENT), SDP), answers([201, *UNUSABLE])],
        ),
    ]
    return [(comment, _named(reqs), {"endpoint": "whip"}, steps) for comment, reqs, steps in rows]


def _watching() -> list[Row]:
    offer, backwards = request(local=CLIENT), publication(local=CLIENT)
    taken = {"sdp": {"directions": ["sendonly", "sendonly"]}}
    rows: list[tuple[str, str, list[Step]]] = [
        (
            "an offer that goes both ways is answered in one",
            "answer-sendonly",
            [_post(offer.replace("a=recvonly", "a=sendrecv"), SDP), answers(201, taken)],
        ),
        ("an offer of somebody who wants to publish", "watching-direction", [_post(backwards, SDP), answers(UNUSABLE)]),
        ("HEAD shows what it is", "head", [ask("HEAD"), answers(200, "empty", content_type=SDP)]),
    ]
    return [(comment, _named(reqs), {"endpoint": "whep"}, steps) for comment, reqs, steps in rows]


def _tokens(kind: str, offer: str) -> list[Row]:
    init = {"endpoint": kind, "token": "demanded"}
    good = {"authorization": "Bearer $token"}
    rows: list[tuple[str, list[Step]]] = [
        ("no token", [_post(offer, SDP), answers(401, www_authenticate=True)]),
        (
            "a token that is none",
            [
                ask("POST", body=offer, content_type=SDP, authorization="Bearer none"),
                answers(401, www_authenticate=True),
            ],
        ),
        ("a good token", [ask("POST", body=offer, content_type=SDP, **good), answers(201)]),
        ("OPTIONS goes without one", [ask("OPTIONS"), answers(200)]),
    ]
    return [(comment, "whip/bearer", init, steps) for comment, steps in rows]

"""Makes vectors/stun/keys, credentials and long-term: what a password becomes, what is signed with it, who says what.

`keys` has known answers; `credentials` has messages protected in every way; `long-term` has conversations, step by step
on a virtual clock, for a client and for a server. The conversations are written as they should go, and not recorded.
Read next: tests/generate/stun.py, tests/vectors/test_stunconversation.py.
"""

from __future__ import annotations

from typing import Any

from meetref.protocol.credentials import Algorithm, ExpiringAccounts, long_term_key, opaque_string, userhash
from meetref.wire import attribute, stun
from meetref.wire.attribute import Attribute
from tests.generate.mediacases import Cases
from tests.generate.stun import PASSWORD, REALM, TRANSACTION, USER, fields, given

Step = dict[str, Any]
OFFERS = (Algorithm.SHA256.offer, Algorithm.MD5.offer)
BOTH, ALGORITHMS, NEITHER = "obMatJos2wAAA", "obMatJos2gAAA", "obMatJos2AAAA"
SHORT_TERM = "VOkJxbRl1RmTxUk/WvJxBt"
CREDENTIAL_NOTES = {
    "Canonical": ("Written as a serializer writes it", "serializing `out` with the keys gives `in.hex` again"),
    "Truncated": ("The usage allows MESSAGE-INTEGRITY-SHA256 to be cut to `in.shortest_sha256`", "shorter ones fail"),
    "Legacy": ("As spoken before 2020", "a new implementation still has to"),
}


def sets() -> dict[str, dict[str, Any]]:
    """The sets by name."""
    return {"stun/keys": _keys(), "stun/credentials": _credentials(), "stun/long-term": _conversations()}


def _keys() -> dict[str, Any]:
    cases = Cases("stun-keys", {})
    accounts = [
        ("the example of RFC 8489 section 9.2.2", "user", "realm", "pass"),
        ("the account of RFC 5769 section 2.4", USER, REALM, PASSWORD),
        ("an empty password", "user", "realm", ""),
        ("colons in the name", "1700000700:fred", "example.org", "secret"),
    ]
    forms = [
        ("a name in two forms, decomposed", "A\u030angstro\u0308m", "example.org", "pass"),
        ("a space that is not U+0020", "two\u2003words", "example.org", "pass\u00a0word"),
    ]
    for algorithm, source, rows in (
        (Algorithm.MD5, "9.2.2", accounts),
        (Algorithm.MD5, "9.2.2", forms),
        (Algorithm.SHA256, "18.5.1.2", accounts + forms),
    ):
        cases.group("long-term-key", f"RFC 8489 section {source}")
        for comment, user, realm, password in rows:
            told = {"username": user, "realm": realm, "password": password, "algorithm": int(algorithm)}
            key = long_term_key(user, realm, password, algorithm).hex()
            cases.valid(comment, "long-term-key opaque-string", told, {"key": key})
    cases.group("userhash", "RFC 8489 section 14.4")
    for comment, user, realm, _ in accounts + forms:
        told = {"username": user, "realm": realm}
        cases.valid(comment, "userhash opaque-string", told, {"userhash": userhash(user, realm).hex()})
    cases.group("short-term-key", "RFC 8489 section 9.1.1")
    for comment, password in (
        ("of an ICE agent", SHORT_TERM),
        ("decomposed", "cafe\u0301"),
        ("a wide space", "a\u3000b"),
    ):
        key = opaque_string(password).encode().hex()
        cases.valid(comment, "short-term-key opaque-string", {"password": password}, {"key": key})
    cases.group("expiring-password", "draft-uberti-rtcweb-turn-rest-00 section 2.2")
    for secret, expires, user in (
        (b"north", 1700000700, "fred"),
        (b"north", 1700000700, ""),
        (b"s" * 64, 4102444800, "a:b"),
    ):
        name, password = ExpiringAccounts([secret], 0.0).issue(user, expires, 0.0)
        told = {"secret": secret.hex(), "username": name}
        cases.valid(f"{name}", "expiring-name", told, {"password": password})
    return cases.finish() | {"schema": "crypto"}


def _message(*attributes: tuple[int, Any], kind: int = 0) -> stun.Message:
    return stun.Message(stun.Class(kind), stun.BINDING, TRANSACTION, [Attribute(*each) for each in attributes])


def _credentials() -> dict[str, Any]:
    cases = Cases("stun-credentials", CREDENTIAL_NOTES)
    md5, sha256 = (long_term_key(USER, REALM, PASSWORD, each) for each in Algorithm)
    short = SHORT_TERM.encode()
    named = [(attribute.USERNAME, USER), (attribute.REALM, REALM)]
    chosen = [(attribute.PASSWORD_ALGORITHMS, OFFERS), (attribute.PASSWORD_ALGORITHM, Algorithm.SHA256.offer)]
    cases.group("parse", "RFC 8489 sections 9.1 and 14.5")
    check = _message((attribute.USERNAME, "evtj:h6vY"))
    _signed(cases, "short-term, the older integrity", "integrity-mismatch", check, short, "old")
    legacy = _message(*named, (attribute.NONCE, "f//499k954d6OL34oL9FSTvy64sA"))
    _signed(cases, "long-term, MD5, as before 2020", "long-term-key", legacy, md5, "old")
    _signed(cases, "its answer", "long-term-answer-protected", _message(kind=2), md5, "old")
    cases.group("parse", "RFC 8489 section 9.2.4")
    for comment, nonce, more in (
        ("401 of a server of before 2020", "f//499k954d6OL34oL9FSTvy64sA", []),
        ("401 that offers algorithms", ALGORITHMS + "x", [(attribute.PASSWORD_ALGORITHMS, OFFERS)]),
        ("401 that asks for hidden names", BOTH + "x", [(attribute.PASSWORD_ALGORITHMS, OFFERS)]),
    ):
        if comment == "401 that offers algorithms":  # from here on what is newer than RFC 5389
            cases.group("parse", "RFC 8489 section 9.2.4")
        error = (attribute.ERROR_CODE, attribute.ErrorCode(401, ""))
        answer = _message(error, (attribute.REALM, REALM), (attribute.NONCE, nonce), *more, kind=3)
        _signed(cases, comment, "challenge nonce-cookie", answer, None, "old")
    cases.group("parse", "RFC 8489 sections 9.1 and 14.6")
    _signed(cases, "short-term, the newer integrity", "integrity-sha256-mismatch", check, short, "new")
    _signed(cases, "short-term, both", "integrity-sha256-mismatch integrity-sha256", check, short, "both")
    cases.group("parse", "RFC 8489 sections 9.2 and 14.6")
    whole = _message(*named, (attribute.NONCE, ALGORITHMS + "x"), *chosen)
    _signed(cases, "long-term, SHA-256", "long-term-key sha256-only", whole, sha256, "new")
    hidden = _message(
        (attribute.USERHASH, userhash(USER, REALM)), (attribute.REALM, REALM), (attribute.NONCE, BOTH + "x"), *chosen
    )
    _signed(cases, "long-term, SHA-256, hidden name", "userhash username-anonymity", hidden, sha256, "new")
    _signed(cases, "its answer", "long-term-answer-protected", _message(kind=2), sha256, "new")
    cases.group("parse", "RFC 8489 section 14.6")
    for size in (16, 20, 24, 28, 32):
        _signed(cases, f"the newer integrity, {size} octets", "integrity-sha256-size", check, short, "new", size)
    return cases.finish()


def _signed(
    cases: Cases, comment: str, reqs: str, message: stun.Message, key: bytes | None, form: str, size: int = 32
) -> None:
    old, new = key if form in ("old", "both") else None, key if form in ("new", "both") else None
    data = stun.serialize(message, integrity_key=old, sha256_key=new, sha256_size=size, fingerprint=False)
    said = given(data, key) | ({"shortest_sha256": 16, "sha256_size": size} if size < 32 else {})
    out = fields(message, None if old is None else True, None, None if new is None else True)
    cases.valid(comment, reqs, said, out, ["Canonical"] + ["Truncated"] * (size < 32))


# --- conversations --------------------------------------------------------------------------------------

CLIENT = {"role": "client", "username": USER, "password": PASSWORD, "transport": "udp"}
MD5_KEY, SHA256_KEY = "md5", "sha256"


def ask(at_ms: float = 0) -> Step:
    return {"at_ms": at_ms, "do": {"ask": "binding"}}


def sends(at_ms: float, name: str, signed: str | None, has: dict[str, Any], lacks: tuple[str, ...] = ()) -> Step:
    """A request of the client's that must be on its way; `signed` names the key, `has` values of attributes."""
    integrity = None if signed is None else {"key": signed, "form": "MESSAGE-INTEGRITY" if signed == MD5_KEY else NEWER}
    sent = {"class": "request", "method": 1, "integrity": integrity, "attributes": has, "lacks": list(lacks)}
    return {"at_ms": at_ms, "expect": {"send": sent}, "bind": {name: "transaction"}}


NEWER = "MESSAGE-INTEGRITY-SHA256"
CREDENTIALS = ("USERNAME", "USERHASH", "REALM", "NONCE", "PASSWORD-ALGORITHMS", "PASSWORD-ALGORITHM")


def hears(at_ms: float, name: str, code: int, has: dict[str, Any], signed: str | None = None, form: str = "") -> Step:
    """An answer that arrives: an error with `code`, or with 0 a success that maps to 192.0.2.1:32853."""
    attributes = dict(has)
    if code == 0:
        attributes["XOR-MAPPED-ADDRESS"] = {"host": "192.0.2.1", "port": 32853}
    integrity = (
        None if signed is None else {"key": signed, "form": form or {MD5_KEY: "MESSAGE-INTEGRITY"}.get(signed, NEWER)}
    )
    told = {"class": "error" if code else "success", "transaction": name, "code": code, "attributes": attributes}
    return {"at_ms": at_ms, "receive": told | {"integrity": integrity}}


def tells(at_ms: float, event: str, **more: Any) -> Step:
    return {"at_ms": at_ms, "expect": {"event": event, **more}}


def silent(at_ms: float) -> Step:
    return {"at_ms": at_ms, "expect": {"send": None}}


def challenge(nonce: str, *offers: int, realm: str = REALM) -> dict[str, Any]:
    told: dict[str, Any] = {"REALM": realm, "NONCE": nonce}
    return told | ({"PASSWORD-ALGORITHMS": list(offers)} if offers else {})


def _conversations() -> dict[str, Any]:
    groups = [
        ("client", "RFC 8489 section 9.2.5", _client_cases()),
        ("server", "RFC 8489 section 9.2.4", _server_cases()),
    ]
    number, made = 0, []
    for role, source, rows in groups:
        tests = []
        for comment, reqs, init, steps in rows:
            number += 1
            reqs_full = [f"stun/{each}" for each in reqs.split()]
            case = {"id": f"stun-long-term-{number:04d}", "comment": comment, "reqs": reqs_full, "init": init}
            tests.append(case | {"steps": steps})
        params = {"operation": f"long-term-{role}"}
        made.append({"params": params, "provenance": "generated", "source": source, "verified_by": [],
                     "provisional": True, "tests": tests})  # fmt: skip
    return {"schema": "machine", "set": "stun-long-term", "version": "1.0.0", "notes": {}, "groups": made}


def _old_request(at_ms: float, name: str, nonce: str) -> Step:
    has = {"USERNAME": USER, "REALM": REALM, "NONCE": nonce}
    return sends(at_ms, name, MD5_KEY, has, ("USERHASH", "PASSWORD-ALGORITHMS", "PASSWORD-ALGORITHM"))


def _new_request(at_ms: float, name: str, nonce: str, algorithm: int = 2, offers: tuple[int, ...] = (2, 1)) -> Step:
    has = {"USERNAME": USER, "REALM": REALM, "NONCE": nonce, "PASSWORD-ALGORITHMS": list(offers)}
    signed = SHA256_KEY if algorithm == 2 else "md5-newer"
    return sends(at_ms, name, signed, has | {"PASSWORD-ALGORITHM": algorithm}, ("USERHASH",))


Row = tuple[str, str, dict[str, Any], list[Step]]


def _client_cases() -> list[Row]:
    first = [ask(), sends(0, "t1", None, {}, CREDENTIALS)]
    old, new, hidden = "one", ALGORITHMS + "one", BOTH + "one"
    fresh = ALGORITHMS + "two"
    introduced = [*first, hears(20, "t1", 401, challenge(old)), _old_request(20, "t2", old)]
    strong = [*first, hears(20, "t1", 401, challenge(new, 2, 1)), _new_request(20, "t2", new)]
    answered = hears(40, "t2", 0, {}, MD5_KEY)
    name = {"USERHASH": {"hex": userhash(USER, REALM).hex()}, "REALM": REALM, "NONCE": hidden}
    name |= {"PASSWORD-ALGORITHMS": [2, 1], "PASSWORD-ALGORITHM": 2}
    rows = [
        ("a server of before 2020", "first-request subsequent-request", [*introduced, answered, tells(40, "answered")]),
        ("the next request is signed at once", "subsequent-request",
         [*introduced, answered, tells(40, "answered"), ask(100), _old_request(100, "t3", old)]),
        ("a stale nonce", "stale-nonce-retry",
         [*introduced, answered, tells(40, "answered"), ask(100), _old_request(100, "t3", old),
          hears(120, "t3", 438, challenge("two")), _old_request(120, "t4", "two"),
          hears(140, "t4", 0, {}, MD5_KEY), tells(140, "answered")]),
        ("a wrong password is tried once", "no-second-try",
         [*introduced, hears(40, "t2", 401, challenge("two")), silent(40), tells(40, "failed")]),
        ("SHA-256 before MD5", "first-algorithm sha256-only",
         [*strong, hears(40, "t2", 0, {}, SHA256_KEY), tells(40, "answered")]),
        ("MD5 before SHA-256", "first-algorithm sha256-only",
         [*first, hears(20, "t1", 401, challenge(new, 1, 2)), _new_request(20, "t2", new, 1, (1, 2)),
          hears(40, "t2", 0, {}, "md5-newer"), tells(40, "answered")]),
        ("an unknown algorithm before SHA-256", "first-algorithm",
         [*first, hears(20, "t1", 401, challenge(new, 77, 2)), _new_request(20, "t2", new, 2, (77, 2))]),
        ("only unknown algorithms", "no-algorithm-in-common",
         [*first, hears(20, "t1", 401, challenge(new, 77)), silent(20), tells(20, "failed")]),
        ("a hidden name", "username-anonymity userhash",
         [*first, hears(20, "t1", 401, challenge(hidden, 2, 1)), sends(20, "t2", SHA256_KEY, name, ("USERNAME",))]),
        ("bid down: the list was taken out of the challenge", "bid-down-client",
         [*first, hears(20, "t1", 401, challenge(new)), silent(20), tells(20, "failed")]),
        ("bid down: the list was taken out of a 438", "bid-down-client",
         [*strong, hears(40, "t2", 438, challenge(fresh)), silent(40), tells(40, "failed")]),
        ("bid down: an answer that promises a list and has none", "bid-down-other",
         [*introduced, hears(40, "t2", 0, {"NONCE": new}, MD5_KEY), silent(40),
          hears(60, "t2", 0, {}, MD5_KEY), tells(60, "answered")]),
        ("bid down: the older integrity in answer to the newer", "integrity-other",
         [*strong, hears(40, "t2", 0, {}, SHA256_KEY, "MESSAGE-INTEGRITY"), silent(40),
          hears(60, "t2", 0, {}, SHA256_KEY), tells(60, "answered")]),
        ("an error 400 that nobody vouches for", "bad-request-ignored",
         [*introduced, hears(40, "t2", 400, {}), silent(40), answered | {"at_ms": 60}, tells(60, "answered")]),
        ("answers without integrity are waited out", "unauthentic-answer integrity-violated",
         [*introduced, hears(40, "t2", 0, {}), silent(40),
          *(_old_request(at, "t2", old) for at in (520, 1520, 3520, 7520, 15520, 31520)),
          tells(39520, "failed", why="integrity violated")]),
        ("an answer signed with another key", "unauthentic-answer",
         [*introduced, hears(40, "t2", 0, {}, "wrong"), silent(40), answered | {"at_ms": 60}, tells(60, "answered")]),
        ("stale again and again", "stale-nonce-retry",
         [*introduced, hears(40, "t2", 438, challenge(old)), silent(40), tells(40, "failed")]),
        ("a challenge without a nonce", "challenge",
         [*first, hears(20, "t1", 401, {"REALM": REALM}), silent(20), tells(20, "failed")]),
    ]  # fmt: skip
    stream = CLIENT | {"transport": "tcp"}
    return [
        *((comment, reqs, CLIENT, steps) for comment, reqs, steps in rows),
        ("over a stream, an answer without integrity is the end", "integrity-violated", stream,
         [*introduced, hears(40, "t2", 0, {}), tells(40, "failed", why="integrity violated")]),
        ("without an answer: seven requests and 39.5 seconds", "retransmission", CLIENT,
         [ask(), *(sends(at, "t1", None, {}, CREDENTIALS) for at in (0, 500, 1500, 3500, 7500, 15500, 31500)),
          tells(39500, "failed", why="no answer")]),
        ("without an answer over a stream: one request", "over-tcp-timeout", stream,
         [ask(), sends(0, "t1", None, {}, CREDENTIALS), silent(39499), tells(39500, "failed", why="no answer")]),
    ]  # fmt: skip


# --- a server -------------------------------------------------------------------------------------------

SERVER = {"role": "server", "realm": REALM, "users": {USER: PASSWORD}, "algorithms": [2, 1], "nonce_lasts_s": 3600}
OLD_SERVER = SERVER | {"algorithms": []}


def asks(at_ms: float, name: str, attributes: dict[str, Any], signed: str | None = None, form: str = "") -> Step:
    """A request that arrives. A value `{"bound": name}` is what an earlier answer had."""
    integrity = (
        None if signed is None else {"key": signed, "form": form or {MD5_KEY: "MESSAGE-INTEGRITY"}.get(signed, NEWER)}
    )
    told = {"class": "request", "transaction": name, "attributes": attributes, "integrity": integrity}
    return {"at_ms": at_ms, "receive": told}


def refuses(
    at_ms: float, name: str, code: int, has: dict[str, Any], lacks: tuple[str, ...] = (), nonce: str = ""
) -> Step:
    sent = {
        "class": "error",
        "transaction": name,
        "code": code,
        "attributes": has,
        "lacks": list(lacks),
        "integrity": None,
    }
    return {"at_ms": at_ms, "expect": {"send": sent}} | ({"bind": {nonce: "NONCE"}} if nonce else {})


def accepts(at_ms: float, name: str, signed: str, form: str = "") -> Step:
    integrity = {"key": signed, "form": form or {MD5_KEY: "MESSAGE-INTEGRITY"}.get(signed, NEWER)}
    sent = {
        "class": "success",
        "transaction": name,
        "attributes": {},
        "lacks": list(CREDENTIALS),
        "integrity": integrity,
    }
    return {"at_ms": at_ms, "expect": {"send": sent}}


def _server_cases() -> list[Row]:
    offered = {"REALM": REALM, "PASSWORD-ALGORITHMS": [2, 1]}
    none = ("USERNAME", "USERHASH")
    first = [asks(0, "t1", {}), refuses(0, "t1", 401, offered, none, "n1")]
    nonce = {"bound": "n1"}
    who = {"USERNAME": USER, "REALM": REALM, "NONCE": nonce}
    chosen = {"PASSWORD-ALGORITHMS": [2, 1], "PASSWORD-ALGORITHM": 2}
    strong = who | chosen
    hidden = {"USERHASH": {"hex": userhash(USER, REALM).hex()}, "REALM": REALM, "NONCE": nonce} | chosen
    incomplete = ("REALM", "NONCE", *none)

    def later(at_ms: float, attributes: dict[str, Any], signed: str, outcome: Step, form: str = "") -> list[Step]:
        return [*first, asks(at_ms, "t2", attributes, signed, form), outcome | {"at_ms": at_ms}]

    def bad(attributes: dict[str, Any]) -> list[Step]:
        return later(20, attributes, SHA256_KEY, refuses(0, "t2", 400, {}, incomplete))

    rows = [
        ("SHA-256", "challenge long-term-answer-protected",
         later(20, strong, SHA256_KEY, accepts(0, "t2", SHA256_KEY))),
        ("a hidden name", "userhash", later(20, hidden, SHA256_KEY, accepts(0, "t2", SHA256_KEY))),
        ("MD5, chosen from the list", "long-term-answer-protected",
         later(20, who | chosen | {"PASSWORD-ALGORITHM": 1}, "md5-newer", accepts(0, "t2", "md5-newer"))),
        ("a client of before 2020", "long-term-answer-protected", later(20, who, MD5_KEY, accepts(0, "t2", MD5_KEY))),
        ("no user name", "credentials-incomplete", bad({"REALM": REALM, "NONCE": nonce} | chosen)),
        ("no realm", "credentials-incomplete", bad({"USERNAME": USER, "NONCE": nonce} | chosen)),
        ("no nonce", "credentials-incomplete", bad({"USERNAME": USER, "REALM": REALM} | chosen)),
        ("bid down: the list without a choice", "bid-down-server", bad(who | {"PASSWORD-ALGORITHMS": [2, 1]})),
        ("bid down: a choice without the list", "bid-down-server", bad(who | {"PASSWORD-ALGORITHM": 2})),
        ("bid down: another list", "bid-down-server", bad(who | chosen | {"PASSWORD-ALGORITHMS": [2]})),
        ("bid down: the list in another order", "bid-down-server", bad(who | chosen | {"PASSWORD-ALGORITHMS": [1, 2]})),
        ("a choice that was not offered", "algorithm-mismatch", bad(who | chosen | {"PASSWORD-ALGORITHM": 77})),
        ("bid down: a nonce whose promise was taken out", "bid-down-server stale-nonce",
         later(20, who | {"NONCE": {"bound": "n1", "replace": ["obMatJos2w", "obMatJos2A"]}}, MD5_KEY,
               refuses(0, "t2", 438, offered, none))),
        ("nobody of that name", "unknown-user",
         later(20, who | {"USERNAME": "nobody"}, MD5_KEY, refuses(0, "t2", 401, offered, none))),
        ("nobody of that hash", "unknown-user",
         later(20, hidden | {"USERHASH": {"hex": "00" * 32}}, SHA256_KEY, refuses(0, "t2", 401, offered, none))),
        ("another password", "wrong-password", later(20, strong, "wrong", refuses(0, "t2", 401, offered, none), NEWER)),
        ("a nonce in its last second", "stale-nonce", later(3600000, strong, SHA256_KEY, accepts(0, "t2", SHA256_KEY))),
        ("a stale nonce, and a new one", "stale-nonce",
         [*later(3601000, who | chosen, SHA256_KEY, refuses(0, "t2", 438, offered, none, "n2")),
          asks(3601020, "t3", strong | {"NONCE": {"bound": "n2"}}, SHA256_KEY), accepts(3601020, "t3", SHA256_KEY)]),
        ("a nonce of somebody else's", "stale-nonce",
         later(20, who | {"NONCE": "f//499k954d6OL34oL9FSTvy64sA"}, MD5_KEY, refuses(0, "t2", 438, offered, none))),
        ("a stale nonce and a wrong password: the password counts first", "wrong-password",
         later(3601000, who, "wrong", refuses(0, "t2", 401, offered, none), "MESSAGE-INTEGRITY")),
    ]  # fmt: skip
    old = [
        asks(0, "t1", {}), refuses(0, "t1", 401, {"REALM": REALM}, ("PASSWORD-ALGORITHMS", *none), "n1"),
        asks(20, "t2", who, MD5_KEY), accepts(20, "t2", MD5_KEY),
    ]  # fmt: skip
    served: list[Row] = [(comment, reqs, SERVER, steps) for comment, reqs, steps in rows]
    return [*served, ("a server that offers no algorithms", "challenge", OLD_SERVER, old)]

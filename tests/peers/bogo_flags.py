"""What a case of BoringSSL's test runner asks of the program under test: its flags, read into a value.

A flag that is not here, or a value that we do not have, raises `Unimplemented`; the shim then ends with 89.
Specification: ssl/test/test_config.cc of BoringSSL. Read next: `tests/peers/bogo_shim.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from meetref.wire.tls import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES128_CM_SHA1_80,
    DTLS_1_2,
    DTLS_1_3,
    GROUPS,
)

SRTP_NAMES = {
    "SRTP_AES128_CM_SHA1_80": AES128_CM_SHA1_80,
    "SRTP_AEAD_AES_128_GCM": AEAD_AES_128_GCM,
    "SRTP_AEAD_AES_256_GCM": AEAD_AES_256_GCM,
}


class Unimplemented(Exception):
    """The case needs what we do not have; the text is the flag, or what it asks for."""


@dataclass(slots=True)
class Case:
    """One case, as the runner describes it. Seconds, octets, and the numbers of the registries."""

    port: int = 0
    shim_id: int = 0
    ipv6: bool = False
    is_server: bool = False
    is_dtls: bool = False
    connections: int = 1
    versions: set[int] = field(default_factory=lambda: {DTLS_1_2, DTLS_1_3})
    groups: list[int] = field(default_factory=list)
    srtp_profiles: tuple[int, ...] = ()
    mtu: int = 1200
    first_wait: float = 0.4
    certificate_path: str | None = None
    key_path: str | None = None
    asks_certificate: bool = False
    needs_certificate: bool = False
    first_words: bytes = b"hello"
    writes_first: int = 0
    shuts_down: bool = False
    wants_close_notify: bool = False
    exported_size: int = 0
    export_label: str = ""
    exports_traffic_secrets: bool = False
    updates_keys: bool = False
    updates_keys_before_read: bool = False
    misses_session: bool = False
    expected: dict[str, int] = field(default_factory=dict)
    expects_retry: bool | None = None
    expects_certificate: bool | None = None


Setter = Callable[[Case, str], None]


def _set(name: str, convert: Callable[[str], object]) -> Setter:
    return lambda case, value: setattr(case, name, convert(value))


def _without(version: int) -> Callable[[Case], None]:
    return lambda case: case.versions.discard(version)


def _at_least(case: Case, value: str) -> None:
    case.versions = {each for each in case.versions if each <= int(value)}  # the numbers of DTLS count down


def _at_most(case: Case, value: str) -> None:
    case.versions = {each for each in case.versions if each >= int(value)}


def _add_group(case: Case, value: str) -> None:
    if int(value) not in GROUPS:
        raise Unimplemented(f"group {value}")
    case.groups.append(int(value))


def _set_profiles(case: Case, value: str) -> None:
    case.srtp_profiles = tuple(SRTP_NAMES[name] for name in value.split(":") if name in SRTP_NAMES)
    if not case.srtp_profiles:
        raise Unimplemented(f"SRTP profile {value}")


def _expect(name: str) -> Setter:
    def set_expected(case: Case, value: str) -> None:
        case.expected[name] = int(value)

    return set_expected


def _mark(name: str, value: object = True) -> Callable[[Case], None]:
    return lambda case: setattr(case, name, value)


def _nothing(case: Case) -> None:
    """A flag that changes nothing for a machine: it never blocks, has no callbacks, no tickets and no sessions."""


VALUES: dict[str, Setter] = {
    "-port": _set("port", int),
    "-shim-id": _set("shim_id", int),
    "-resume-count": lambda case, value: setattr(case, "connections", 1 + int(value)),
    "-min-version": _at_least,
    "-max-version": _at_most,
    "-curves": _add_group,
    "-srtp-profiles": _set_profiles,
    "-mtu": _set("mtu", int),
    "-initial-timeout-duration-ms": lambda case, value: setattr(case, "first_wait", int(value) / 1e3),
    "-cert-file": _set("certificate_path", str),
    "-key-file": _set("key_path", str),
    "-trust-cert": lambda case, value: None,  # whom to trust is not for the machine
    "-shim-initial-write": _set("first_words", str.encode),
    "-export-keying-material": _set("exported_size", int),
    "-export-label": _set("export_label", str),
    "-export-context": lambda case, value: None,  # counts only with -use-export-context
    "-expect-version": _expect("version"),
    "-expect-curve-id": _expect("group"),
    "-expect-cipher": _expect("cipher"),
}

SWITCHES: dict[str, Callable[[Case], None]] = {
    "-ipv6": _mark("ipv6"),
    "-server": _mark("is_server"),
    "-dtls": _mark("is_dtls"),
    "-no-tls13": _without(DTLS_1_3),
    "-no-tls12": _without(DTLS_1_2),
    "-no-tls11": _nothing,
    "-no-tls1": _nothing,
    "-verify-peer": _mark("asks_certificate"),
    "-require-any-client-certificate": _mark("needs_certificate"),
    "-shim-writes-first": _mark("writes_first", 1),
    "-shim-shuts-down": _mark("shuts_down"),
    "-check-close-notify": _mark("wants_close_notify"),
    "-export-traffic-secrets": _mark("exports_traffic_secrets"),
    "-key-update": _mark("updates_keys"),
    "-key-update-before-read": _mark("updates_keys_before_read"),
    "-expect-session-miss": _mark("misses_session"),
    "-expect-hrr": _mark("expects_retry"),
    "-expect-no-hrr": _mark("expects_retry", False),
    "-expect-no-peer-cert": _mark("expects_certificate", False),
    "-expect-extended-master-secret": lambda case: case.expected.update(extended_master_secret=1),
    **dict.fromkeys(
        (
            "-async",
            "-implicit-handshake",
            "-use-early-callback",
            "-use-custom-verify-callback",
            "-use-old-client-cert-callback",
            "-expect-verify-result",
            "-no-ticket",
            "-expect-no-session",
            "-expect-no-session-id",
        ),
        _nothing,
    ),
}


def read(arguments: Sequence[str]) -> Case:
    """The case that these arguments describe. Raises `Unimplemented`."""
    case, rest = Case(), iter(arguments)
    for flag in rest:
        name = flag.replace("-on-initial-", "-", 1)
        if name in SWITCHES:
            SWITCHES[name](case)
        elif name in VALUES:
            value = next(rest, None)
            if value is None:
                raise Unimplemented(f"{flag} without a value")
            VALUES[name](case, value)
        else:
            raise Unimplemented(flag)
    if not case.is_dtls:
        raise Unimplemented("TLS and QUIC")
    if not case.versions:
        raise Unimplemented("DTLS 1.0")
    if case.connections > 1 and not case.misses_session:
        raise Unimplemented("-resume-count")
    return case

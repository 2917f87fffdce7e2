"""Keys made of names and passwords, and names that expire."""

from __future__ import annotations

import hashlib

import pytest

from meetref.protocol.credentials import (
    Algorithm,
    ExpiringAccounts,
    FixedAccounts,
    long_term_key,
    opaque_string,
    short_term_key,
    userhash,
)


@pytest.mark.spec("stun/long-term-key")
def test_the_key_of_the_document() -> None:
    """RFC 8489 section 9.2.2 prints the hash of user:realm:pass."""
    assert long_term_key("user", "realm", "pass").hex() == "8493fbc53ba582fb4c044c456bdc40eb"
    assert long_term_key("user", "realm", "pass", Algorithm.SHA256) == hashlib.sha256(b"user:realm:pass").digest()


@pytest.mark.spec("stun/long-term-key")
def test_quotes_and_trailing_zeros_are_no_part_of_it() -> None:
    assert long_term_key('"user"', '"realm"', "pass\0") == long_term_key("user", "realm", "pass")


@pytest.mark.spec("stun/opaque-string", "stun/short-term-key")
def test_spaces_and_composed_letters_have_one_form() -> None:
    assert opaque_string("a\u2003b\u00a0c") == "a b c"
    assert opaque_string("A\u030a") == "\u00c5"
    assert short_term_key("caf\u0065\u0301") == "caf\u00e9".encode()
    assert opaque_string("\u2163") == "\u2163"  # NFC, not NFKC


@pytest.mark.spec("stun/userhash")
def test_the_hash_of_a_name_is_published() -> None:
    """RFC 8489 appendix B.1: the USERHASH of the sample."""
    expected = "4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"
    assert userhash("\u30de\u30c8\u30ea\u30c3\u30af\u30b9", "example.org").hex() == expected


def test_users_of_a_configuration_are_found_by_name_and_by_hash() -> None:
    accounts = FixedAccounts("example.org", {"alice": "a", "bob": "b"})
    assert accounts.passwords("alice", 0.0) == ["a"]
    assert accounts.passwords("carol", 0.0) == []
    assert accounts.username(userhash("bob", "example.org")) == "bob"
    assert accounts.username(bytes(32)) is None
    assert "'a'" not in repr(accounts)


@pytest.mark.spec("stun/expiring-name")
def test_a_name_is_good_until_the_time_that_stands_in_it() -> None:
    accounts = ExpiringAccounts([b"secret"], 1_700_000_000.0)
    name, password = accounts.issue("fred", 600.0, 100.0)
    assert name == "1700000700:fred"
    assert accounts.passwords(name, 699.0) == [password]
    assert accounts.passwords(name, 700.0) == []
    assert accounts.issue("", 600.0, 100.0)[0] == "1700000700"


@pytest.mark.spec("stun/expiring-name")
def test_the_password_is_the_hmac_of_the_name() -> None:
    """`printf 1700000700:fred | openssl dgst -sha1 -hmac secret -binary | base64`"""
    accounts = ExpiringAccounts([b"secret"], 1_700_000_000.0)
    assert accounts.issue("fred", 600.0, 100.0) == ("1700000700:fred", "PeFUEaoIHszSt2HUk7QbGo33WZs=")


@pytest.mark.parametrize("name", ["", "fred", ":fred", "12x:fred", "-1:fred", "99999999999:fred", "\u0661\u0662:fred"])
@pytest.mark.spec("stun/expiring-name")
def test_a_name_without_a_time_is_nobody(name: str) -> None:
    assert ExpiringAccounts([b"secret"], 0.0).passwords(name, 0.0) == []


@pytest.mark.spec("stun/secret-rotation")
def test_both_secrets_are_good_while_one_replaces_the_other() -> None:
    old, new = ExpiringAccounts([b"old"], 1e9), ExpiringAccounts([b"new", b"old"], 1e9)
    name, password = old.issue("fred", 600.0, 0.0)
    assert password in new.passwords(name, 1.0)
    assert new.issue("fred", 600.0, 0.0)[1] != password

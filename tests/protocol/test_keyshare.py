"""Shares and the secrets they lead to, judged by another implementation where there is one."""

from __future__ import annotations

import random

import pytest
from kyber_py.ml_kem import ML_KEM_768

from meetref.protocol.keyshare import answer_share, combine, encapsulate, make_share
from meetref.protocol.refusal import Refused
from meetref.wire.tls import P_256, P_384, X25519, X25519_ML_KEM_768

SIZES = {X25519_ML_KEM_768: (1216, 1120, 64), X25519: (32, 32, 32), P_256: (65, 65, 32), P_384: (97, 97, 48)}


@pytest.mark.spec("handshake13/hybrid-order")
@pytest.mark.parametrize("group", SIZES)
def test_both_sides_have_the_same_secret(group: int) -> None:
    secret, share = make_share(group, random.Random(1).randbytes)
    answer, theirs = answer_share(group, share, random.Random(2).randbytes, encapsulate)
    assert combine(secret, answer) == theirs
    assert (len(share), len(answer), len(theirs)) == SIZES[group]
    assert make_share(group, random.Random(1).randbytes)[1] == share


@pytest.mark.spec("handshake13/hybrid-order")
def test_another_ml_kem_agrees_on_both_halves() -> None:
    """kyber-py makes the same key of the same seed, and its ciphertexts open here, first in share and in secret."""
    seed = bytes(range(64))
    dice = iter([seed, bytes(range(32))])
    secret, share = make_share(X25519_ML_KEM_768, lambda size: next(dice))
    key, _ = ML_KEM_768._keygen_internal(seed[:32], seed[32:])
    assert share[:1184] == key
    answer, theirs = answer_share(
        X25519_ML_KEM_768, share, random.Random(3).randbytes, lambda key: ML_KEM_768._encaps_internal(key, bytes(32))
    )
    shared, ciphertext = ML_KEM_768._encaps_internal(key, bytes(32))
    assert (answer[:1088], theirs[:32]) == (ciphertext, shared)
    assert combine(secret, answer) == theirs


@pytest.mark.spec("handshake13/share-invalid")
@pytest.mark.parametrize("group", SIZES)
def test_wrong_shares_are_refused(group: int) -> None:
    secret, _ = make_share(group, random.Random(1).randbytes)
    size = SIZES[group][1]
    for wrong in (b"", bytes(size), bytes(size - 1), bytes(size + 1)):
        with pytest.raises(Refused) as refused:
            combine(secret, wrong)
        assert refused.value.alert == "illegal_parameter"

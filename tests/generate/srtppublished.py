"""What the documents publish about SRTP: key streams, key derivations and packets, as numbers with their sources.

Stands below `tests/generate/srtp.py`, which makes vectors of them. Each was computed anew before it went in here.
Specification: RFC 3711 appendix B, RFC 6188 section 7.2, RFC 6904 appendix A, RFC 7714 sections 16 and 17, RFC 9335
appendix A.
Leaves out: nothing; what is wrong with a published number stands beside it.
Read next: `tests/generate/srtp.py`.
"""

from __future__ import annotations

from typing import NamedTuple


class Derivation(NamedTuple):
    """Session keys of a master key and a master salt, by label."""

    source: str
    key: str
    salt: str
    made: dict[int, str]


class Locked(NamedTuple):
    """A packet under session keys (RFC 7714), or under master keys (RFC 9335)."""

    source: str
    comment: str
    key: str
    salt: str
    plain: str
    locked: str


STREAM_KEY = "2b7e151628aed2a6abf7158809cf4f3c"
STREAM_BEGIN = "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"
# RFC 3711 appendix B.2: blocks of the key stream, by their number.
STREAM_BLOCKS = {
    0x0000: "e03ead0935c95e80e166b16dd92b4eb4",
    0x0001: "d23513162b02d0f72a43a2fe4a5f97ab",
    0x0002: "41e95b3bb0a2e8dd477901e4fca894c0",
    0xFEFF: "ec8cdf7398607cb0f2d21675ea9ea1e4",
    0xFF00: "362b7c3c6773516318a077d7fc5073ae",
    0xFF01: "6a2cc3787889374fbeb4c81b17ba6c44",
}

DERIVATIONS = (
    Derivation(
        source="RFC 3711 appendix B.3",
        key="e1f97a0d3e018be0d64fa32c06de4139",
        salt="0ec675ad498afeebb6960b3aabe6",
        made={
            0: "c61e7a93744f39ee10734afe3ff7a087",
            1: (
                "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175"
                "578ef72270986371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c"
                "59bbfc2f34db60dbdfb2"
            ),
            2: "30cbbc08863d8c85d49db34a9ae1",
        },
    ),
    Derivation(
        source="RFC 6188 section 7.2",
        key="f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
        salt="3b04803de51ee7c96423ab5b78d2",
        made={
            0: "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            1: "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
            2: "fa31791685ca444a9e07c6c64e93",
        },
    ),
    Derivation(
        source="RFC 6904 appendix A.1",
        key="e1f97a0d3e018be0d64fa32c06de4139",
        salt="0ec675ad498afeebb6960b3aabe6",
        made={
            6: "549752054d6fb708622c4a2e596a1b93",
            7: "ab01818174c40d39a3781f7c2d27",
        },
    ),
)

RTP_PLAIN = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"
RTCP_PLAIN = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
CONTROL_INDEX = 0x5D4

AEAD_PACKETS = (
    Locked(
        source="RFC 7714 section 16.1.1",
        comment="AES-128",
        key="000102030405060708090a0b0c0d0e0f",
        salt="517569642070726f2071756f",
        plain=RTP_PLAIN,
        locked=(
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7"
            "d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce"
        ),
    ),
    Locked(
        source="RFC 7714 section 16.2.1",
        comment="AES-256",
        key="000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        salt="517569642070726f2071756f",
        plain=RTP_PLAIN,
        locked=(
            "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ff"
            "ae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"
        ),
    ),
)

AEAD_CONTROL = (
    Locked(
        source="RFC 7714 section 17.1",
        comment="AES-128",
        key="000102030405060708090a0b0c0d0e0f",
        salt="517569642070726f2071756f",
        plain=RTCP_PLAIN,
        locked=(
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce0"
            "9b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"
        ),
    ),
    Locked(
        source="RFC 7714 section 17.2",
        comment="AES-256",
        key="000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        salt="517569642070726f2071756f",
        plain=RTCP_PLAIN,
        locked=(
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415"
            "f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"
        ),
    ),
)

AEAD_PACKETS_IN_CLEAR = (
    Locked(
        source="RFC 7714 section 16.1.3",
        comment="AES-128",
        key="000102030405060708090a0b0c0d0e0f",
        salt="517569642070726f2071756f",
        plain=RTP_PLAIN,
        locked=(
            "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e20706172"
            "746573207472657322493f82d2bce397e9d79e3b19aa4216"
        ),
    ),
    Locked(
        source="RFC 7714 section 16.2.3",
        comment="AES-256",
        key="000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        salt="517569642070726f2071756f",
        plain=RTP_PLAIN,
        locked=(
            "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e20706172"
            "7465732074726573a866d5910f887463067ceefec45215d4"
        ),
    ),
)

AEAD_CONTROL_IN_CLEAR = (
    Locked(
        source="RFC 7714 section 17.3",
        comment="AES-128",
        key="000102030405060708090a0b0c0d0e0f",
        salt="517569642070726f2071756f",
        plain=RTCP_PLAIN,
        locked=(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdead"
            "beefdeadbeefdeadbeef841dd9683dd78ec92ae58790125f62b3000005d4"
        ),
    ),
    Locked(
        source="RFC 7714 section 17.4",
        comment="AES-256",
        key="000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        salt="517569642070726f2071756f",
        plain=RTCP_PLAIN,
        locked=(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdead"
            "beefdeadbeefdeadbeef91db4afbfeee5a978fab4393ed2615fe000005d4"
        ),
    ),
)

CRYPTEX_COUNTER_MODE = (
    Locked(
        source="RFC 9335 appendix A.1.1",
        comment="one-byte elements",
        key="e1f97a0d3e018be0d64fa32c06de4139",
        salt="0ec675ad498afeebb6960b3aabe6",
        plain="900f1235decafbadcafebabebede000151000200abababababababababababababababab",
        locked=("900f1235decafbadcafebabec0de0001eb92365251c3e036f8de27e9c27ee3e0b4651d9fbc4218a70244522f34a5"),
    ),
    Locked(
        source="RFC 9335 appendix A.1.2",
        comment="two-byte elements",
        key="e1f97a0d3e018be0d64fa32c06de4139",
        salt="0ec675ad498afeebb6960b3aabe6",
        plain="900f1236decafbadcafebabe1000000105020002abababababababababababababababab",
        locked=("900f1236decafbadcafebabec2de00014ed9cc4e6a712b3096c5ca77339d4204ce0d77396cab69585fbce38194a5"),
    ),
    Locked(
        source="RFC 9335 appendix A.1.3",
        comment="one-byte elements and CSRCs",
        key="e1f97a0d3e018be0d64fa32c06de4139",
        salt="0ec675ad498afeebb6960b3aabe6",
        plain=("920f1238decafbadcafebabe0001e2400000b26ebede000151000200abababababababababababababababab"),
        locked=(
            "920f1238decafbadcafebabe8bb6e12b5cff16ddc0de000192838c8c09e58393e1de3a9a74734d674567"
            "1338c3acf11da2df8423bee0"
        ),
    ),
    Locked(
        source="RFC 9335 appendix A.1.4",
        comment="two-byte elements and CSRCs",
        key="e1f97a0d3e018be0d64fa32c06de4139",
        salt="0ec675ad498afeebb6960b3aabe6",
        plain=("920f1239decafbadcafebabe0001e2400000b26e1000000105020002abababababababababababababababab"),
        locked=(
            "920f1239decafbadcafebabef70e513eb90b9b25c2de0001bbed4848faa644665f3d7f34125914e9f4d0"
            "ae923c6f479b95a0f7b53133"
        ),
    ),
    Locked(
        source="RFC 9335 appendix A.1.5",
        comment="an empty one-byte extension and CSRCs",
        key="e1f97a0d3e018be0d64fa32c06de4139",
        salt="0ec675ad498afeebb6960b3aabe6",
        plain="920f123adecafbadcafebabe0001e2400000b26ebede0000abababababababababababababababab",
        locked=("920f123adecafbadcafebabe7130b6abfe2ab0e3c0de0000e3d9f64b25c9e74cb4cf8e43fb92e3781c2c0ceab6b3a499a14c"),
    ),
    Locked(
        source="RFC 9335 appendix A.1.6",
        comment="an empty two-byte extension and CSRCs",
        key="e1f97a0d3e018be0d64fa32c06de4139",
        salt="0ec675ad498afeebb6960b3aabe6",
        plain="920f123bdecafbadcafebabe0001e2400000b26e10000000abababababababababababababababab",
        locked=("920f123bdecafbadcafebabecbf24c124330e1c8c2de0000599dd45bc9d687b603e8b59d771fd38e88b170e0cd31e125eabe"),
    ),
)

CRYPTEX_AEAD = (
    Locked(
        source="RFC 9335 appendix A.2.1",
        comment="one-byte elements",
        key="000102030405060708090a0b0c0d0e0f",
        salt="a0a1a2a3a4a5a6a7a8a9aaab",
        plain="900f1235decafbadcafebabebede000151000200abababababababababababababababab",
        locked=(
            "900f1235decafbadcafebabec0de000139972dc9572c4d99e8fc355de743fb2e94f9d8ff54e72f4193bbc5c74ffab0fa9fa0fbeb"
        ),
    ),
    Locked(
        source="RFC 9335 appendix A.2.2",
        comment="two-byte elements",
        key="000102030405060708090a0b0c0d0e0f",
        salt="a0a1a2a3a4a5a6a7a8a9aaab",
        plain="900f1236decafbadcafebabe1000000105020002abababababababababababababababab",
        locked=(
            "900f1236decafbadcafebabec2de0001bb75a4c545cd1f413bdb7daa2b1e3263de313667c963249081b35a65f5cb6c88b394235f"
        ),
    ),
    Locked(
        source="RFC 9335 appendix A.2.3",
        comment="one-byte elements and CSRCs",
        key="000102030405060708090a0b0c0d0e0f",
        salt="a0a1a2a3a4a5a6a7a8a9aaab",
        plain=("920f1238decafbadcafebabe0001e2400000b26ebede000151000200abababababababababababababababab"),
        locked=(
            "920f1238decafbadcafebabe63bbccc4a7f695c4c0de00018ad7c71fac70a80c92866b4c6ba98546ef91"
            "3586e95ffaaffe956885bb0647a8bc094ac8"
        ),
    ),
    Locked(
        source="RFC 9335 appendix A.2.4",
        comment="two-byte elements and CSRCs",
        key="000102030405060708090a0b0c0d0e0f",
        salt="a0a1a2a3a4a5a6a7a8a9aaab",
        plain=("920f1239decafbadcafebabe0001e2400000b26e1000000105020002abababababababababababababababab"),
        locked=(
            "920f1239decafbadcafebabe3680524f8d312b00c2de0001c78d120038422bc111a7187a18246f980c05"
            "9cc6bc9df8b626394eca344e4b05d80fea83"
        ),
    ),
    Locked(
        source="RFC 9335 appendix A.2.5",
        comment="an empty one-byte extension and CSRCs",
        key="000102030405060708090a0b0c0d0e0f",
        salt="a0a1a2a3a4a5a6a7a8a9aaab",
        plain="920f123adecafbadcafebabe0001e2400000b26ebede0000abababababababababababababababab",
        locked=(
            "920f123adecafbadcafebabe15b6bb4337906fffc0de0000b7b964537a2b03ab7ba5389ce93317126b5d"
            "974df30c6884dcb651c5e120c1da"
        ),
    ),
    Locked(
        source="RFC 9335 appendix A.2.6",
        comment="an empty two-byte extension and CSRCs",
        key="000102030405060708090a0b0c0d0e0f",
        salt="a0a1a2a3a4a5a6a7a8a9aaab",
        plain="920f123bdecafbadcafebabe0001e2400000b26e10000000abababababababababababababababab",
        locked=(
            "920f123bdecafbadcafebabedcb38c9e48bf95f4c2de000061ee432cf920317076613258d3ce4236c06a"
            "c429681ad08413512dc98b5207d8"
        ),
    ),
)

# RFC 6904 appendix A.2: the extension of a packet; elements 1, 3 and 4 are encrypted.
# The text beside the mask names 1, 2 and 4, which is a slip: mask and result are those of 1, 3 and 4.
ELEMENTS = (1, 3, 4)
ELEMENTS_SOURCE, ELEMENTS_NUMBER = 0xCAFEBABE, 0x1234
ELEMENTS_PLAIN = "17414273a475262748220000c8308e4655996386b395fb00"
ELEMENTS_COVERED = "17588a9270f4e15e1c220000c8309546a994f0bc54789700"

"""The codecs of pictures: under which numbers our offers have them, and which of a peer's formats is one of them.

Stands above `protocol/negotiation`, below `protocol/description`. A publisher's section is answered with one of them,
the first in the server's order that is offered; seats are offered with all, and a viewer's answer says which it reads.
Specification: RFC 6184 sections 8.1 and 8.2.2 (H264), RFC 9628 section 7 (VP9), RTP Payload Format For AV1 section 7.
Leaves out: H264 beyond the Baseline profiles, VP9 and AV1 beyond profile 0: not every browser reads them; and parameter
sets in SDP, which WebRTC sends with every keyframe. Read next: `media/formats.py`, what of a codec's packets is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from meetref.protocol.negotiation import RTX, VP8, Codec

H264 = Codec(
    "H264", 90000, 1, 102,
    {"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": "42e01f"}, VP8.feedback,
)  # fmt: skip
VP9 = Codec("VP9", 90000, 1, 98, {"profile-id": "0"}, VP8.feedback)
AV1 = Codec("AV1", 90000, 1, 104, {"level-idx": "5", "profile": "0", "tier": "0"}, VP8.feedback)

VIDEO = (VP8, H264, VP9, AV1)
"""All of them, in the order in which a server prefers them that is not told otherwise."""

DESCRIBED = frozenset({"AV1", "H264"})
"""Those whose layers are told in a header extension, the dependency descriptor."""

_BASELINE = "42"
_UNSAID = "420010"  # RFC 6184 section 8.1


def rtx_of(codec: Codec) -> Codec:
    """The format of retransmissions beside `codec` in our own offers: the next number."""
    return replace(RTX, payload_type=codec.payload_type + 1, parameters={"apt": str(codec.payload_type)})


def rank(names: Sequence[str]) -> tuple[Codec, ...]:
    """All codecs, those of these names first, in this order; the case of letters does not matter."""
    wanted = [name.lower() for name in names]
    return tuple(sorted(VIDEO, key=lambda codec: (*wanted, codec.name.lower()).index(codec.name.lower())))


def fitting(offered: Mapping[int, Codec], ours: Codec, *, sent_by_us: bool) -> Iterator[Codec]:
    """The offered formats that are `ours`, the best first, each with the parameters of the answer to it.

    `sent_by_us`: packets go from here to the author of the offer.
    """
    same = [codec for codec in offered.values() if codec.name.lower() == ours.name.lower()]  # spec: sdp/codec-name-case
    same = [codec for codec in same if (codec.clock_rate, codec.channels) == (ours.clock_rate, ours.channels)]
    if ours.name == "H264":
        same.sort(key=lambda codec: codec.parameters.get("packetization-mode") != "1")  # spec: h264/mode-one-preferred
    for codec in same:
        if _ACCEPTED.get(ours.name, _anything)(codec.parameters, sent_by_us):
            yield codec


def answered_parameters(offered: Codec, ours: Codec) -> dict[str, str]:
    """The format parameters of the answer: those that are ours and offered, as they were offered."""
    # spec: h264/answer-symmetric
    return {name: offered.parameters[name] for name in ours.parameters if name in offered.parameters}


def _h264(parameters: Mapping[str, str], sent_by_us: bool) -> bool:
    """Baseline or Constrained Baseline; who sends fragments, as every browser does, needs a receiver in mode 1."""
    mode = parameters.get("packetization-mode", "0")
    profile = parameters.get("profile-level-id", _UNSAID)
    # spec: h264/mode-two-refused, h264/mode-of-receiver, h264/baseline
    return mode in (("1",) if sent_by_us else ("0", "1")) and profile[:2].lower() == _BASELINE


def _vp9(parameters: Mapping[str, str], sent_by_us: bool) -> bool:
    return parameters.get("profile-id", "0") == "0"  # spec: vp9/profile-zero


def _av1(parameters: Mapping[str, str], sent_by_us: bool) -> bool:
    return parameters.get("profile", "0") == "0"  # spec: av1/profile-main


def _anything(parameters: Mapping[str, str], sent_by_us: bool) -> bool:
    return True


_ACCEPTED: dict[str, Callable[[Mapping[str, str], bool], bool]] = {"H264": _h264, "VP9": _vp9, "AV1": _av1}

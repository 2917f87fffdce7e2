"""Who else reads vectors/rtcp as we do: aiortc's RTP module, tshark and, of the extended reports, Pion's RTCP library.

Stands above `tests/confirm/dissection.py`, `witness.py` and tests/peers/gobuild.py; see `tests/confirm/rtp.py` for when
a witness confirms.
Read next: tests/generate/rtcp.py.
"""

from __future__ import annotations

from typing import Any

from tests.confirm import dissection, pionrtcp
from tests.confirm.witness import Case, Witness, asked, one_by_one, package

AIORTC = {"parse": "RtcpPacket.parse gives the same values, as far as it reads them, or refuses an invalid datagram"}
TSHARK = {"parse": "dissected as RTCP: same packets and fields, nothing malformed"}
PION = {
    "parse": "rtcp.Unmarshal gives the same blocks, Marshal the same octets where they are canonical; or it refuses"
}
TYPES = {
    "SenderReport": 200,
    "ReceiverReport": 201,
    "SourceDescription": 202,
    "Goodbye": 203,
    "Nack": 205,
    "TransportFeedback": 205,
    "PictureLoss": 206,
    "FullIntra": 206,
    "ReceiverEstimate": 206,
    "ExtendedReport": 207,
}
BLOCK = {
    "rtcp.ssrc.fraction": "fraction_lost",
    "rtcp.ssrc.cum_nr": "cumulative_lost",
    "rtcp.ssrc.ext_high": "highest_sequence",
    "rtcp.ssrc.jitter": "jitter",
    "rtcp.ssrc.lsr": "last_sender_report",
    "rtcp.ssrc.dlsr": "delay_since_last_sender_report",
}
NUMBERS = (
    *("rtcp.senderssrc", "rtcp.mediassrc", "rtcp.timestamp.ntp.msw", "rtcp.timestamp.ntp.lsw", "rtcp.timestamp.rtp"),
    *("rtcp.sender.packetcount", "rtcp.sender.octetcount", "rtcp.ssrc.identifier", *BLOCK, "rtcp.sdes.length"),
    *("rtcp.rtpfb.nack_pid", "rtcp.psfb.fir.fci.ssrc", "rtcp.psfb.fir.fci.csn", "rtcp.psfb.remb.fci.ssrc"),
    *("rtcp.rtpfb.transportcc.baseseq", "rtcp.rtpfb.transportcc.statuscount", "rtcp.rtpfb.transportcc.reftime"),
    *("rtcp.rtpfb.transportcc.pktcount", "rtcp.rtpfb.transportcc.recv_delta", "rtcp.xr.lrr", "rtcp.xr.dlrr"),
)
FIELDS = ("rtcp.pt", *NUMBERS, "rtcp.sdes.text", "rtcp.psfb.remb.fci.br_exp", "rtcp.psfb.remb.fci.br_mantissa")


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("aiortc", package("aiortc"), AIORTC, one_by_one(_ask_aiortc)),
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
        *([Witness("Pion rtcp", pionrtcp.version, PION, _ask_pion)] if set_name == "rtcp/extended-reports" else []),
    )


# --- aiortc ---------------------------------------------------------------------------------------


def _ask_aiortc(operation: str, case: Case) -> None:
    from aiortc.rtp import RtcpPacket

    try:
        packets = RtcpPacket.parse(bytes.fromhex(case["in"]["hex"]))
    except ValueError:
        assert case["result"] == "invalid", f"aiortc refuses {case['id']}"
        return
    assert case["result"] != "invalid", f"aiortc takes {case['id']}"
    assert len(packets) == len(case["out"]), case["id"]
    for seen, wanted in zip(packets, case["out"], strict=True):
        assert _as_aiortc_sees(wanted) == _of_aiortc(seen, wanted["type"]), f"aiortc reads {case['id']} otherwise"


def _as_aiortc_sees(wanted: dict[str, Any]) -> dict[str, Any]:
    """Our expectation without what aiortc does not tell."""
    if wanted["type"] == "SourceDescription":
        return {"type": "SourceDescription", "chunks": wanted["chunks"]}
    return {name: value for name, value in wanted.items() if name != "reason"}


def _of_aiortc(packet: Any, kind: str) -> dict[str, Any]:
    from aiortc import rtp

    match packet:
        case rtp.RtcpSrPacket():
            info = packet.sender_info
            counts = {"packet_count": info.packet_count, "octet_count": info.octet_count}
            times = {"ntp": str(info.ntp_timestamp), "rtp_timestamp": info.rtp_timestamp}
            return {"type": "SenderReport", "ssrc": packet.ssrc, **times, **counts, "blocks": _blocks(packet.reports)}
        case rtp.RtcpRrPacket():
            return {"type": "ReceiverReport", "ssrc": packet.ssrc, "blocks": _blocks(packet.reports)}
        case rtp.RtcpSdesPacket():
            chunks = [
                {"ssrc": chunk.ssrc, "items": [[number, value.hex()] for number, value in chunk.items]}
                for chunk in packet.chunks
            ]
            return {"type": "SourceDescription", "chunks": chunks}
        case rtp.RtcpByePacket():
            return {"type": "Goodbye", "sources": packet.sources}
        case rtp.RtcpRtpfbPacket():
            ssrcs = {"sender_ssrc": packet.ssrc, "media_ssrc": packet.media_ssrc}
            return {"type": "Nack", **ssrcs, "lost": packet.lost}
    return _payload_feedback(packet, kind)


def _payload_feedback(packet: Any, kind: str) -> dict[str, Any]:
    from aiortc import rtp

    sender = {"type": kind, "sender_ssrc": packet.ssrc}
    if kind == "ReceiverEstimate":
        assert packet.fmt == rtp.RTCP_PSFB_APP
        bitrate, ssrcs = rtp.unpack_remb_fci(packet.fci)
        return {**sender, "bitrate_bps": str(bitrate), "ssrcs": ssrcs}
    if kind == "FullIntra":
        assert packet.fmt == rtp.RTCP_PSFB_FIR
        entries = [packet.fci[at : at + 8] for at in range(0, len(packet.fci), 8)]
        return {**sender, "entries": [[int.from_bytes(item[:4]), item[4]] for item in entries]}
    assert packet.fmt == rtp.RTCP_PSFB_PLI
    assert packet.fci == b""
    return {**sender, "media_ssrc": packet.media_ssrc}


def _blocks(reports: list[Any]) -> list[dict[str, int]]:
    names = {
        "ssrc": "ssrc",
        "fraction_lost": "fraction_lost",
        "cumulative_lost": "packets_lost",
        "highest_sequence": "highest_sequence",
        "jitter": "jitter",
        "last_sender_report": "lsr",
        "delay_since_last_sender_report": "dlsr",
    }
    return [{ours: getattr(report, theirs) for ours, theirs in names.items()} for report in reports]


# --- tshark ---------------------------------------------------------------------------------------


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    assert all("out" in case for case in cases), "tshark refuses nothing"
    rows = dissection.dissect([bytes.fromhex(case["in"]["hex"]) for case in cases], "rtcp", FIELDS)
    for case, row in zip(cases, rows, strict=True):
        assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"
        packets = case["out"]
        types = [TYPES.get(packet["type"], packet.get("packet_type")) for packet in packets]
        assert dissection.numbers(row["rtcp.pt"]) == types, f"tshark sees other packets in {case['id']}"
        if any(packet["type"] == "Unknown" for packet in packets):
            continue  # it knows those, and has fields of its own for them
        seen = {name: dissection.numbers(row[name]) for name in NUMBERS}
        # It adds up the masks without wrapping at 16 bits.
        seen["rtcp.rtpfb.nack_pid"] = [number & 0xFFFF for number in seen["rtcp.rtpfb.nack_pid"]]
        expected = _tshark_expects(packets)
        if case["id"].startswith("rtcp-extended") and "Canonical" not in case["flags"]:
            # It reads blocks that we pass over.
            expected = {name: expected[name] for name in ("rtcp.senderssrc", "rtcp.xr.lrr", "rtcp.xr.dlrr")}
        for name, wanted in expected.items():
            assert seen[name] == wanted, f"{case['id']}: tshark says {name} {seen[name]}"
        _compare_texts(case, row)


def _tshark_expects(packets: list[dict[str, Any]]) -> dict[str, list[int]]:
    """The numbers that tshark should print, each field over all packets in their order."""
    wanted: dict[str, list[int]] = {name: [] for name in NUMBERS}

    def add(name: str, *numbers: int) -> None:
        wanted[f"rtcp.{name}"] += numbers

    for packet in packets:
        if "sender_ssrc" in packet or packet["type"].endswith("Report"):
            add("senderssrc", packet["sender_ssrc"] if "sender_ssrc" in packet else packet["ssrc"])
        match packet["type"]:
            case "SenderReport":
                add("timestamp.ntp.msw", int(packet["ntp"]) >> 32)
                add("timestamp.ntp.lsw", int(packet["ntp"]) & 0xFFFFFFFF)
                add("timestamp.rtp", packet["rtp_timestamp"])
                add("sender.packetcount", packet["packet_count"])
                add("sender.octetcount", packet["octet_count"])
            case "SourceDescription":
                add("ssrc.identifier", *(chunk["ssrc"] for chunk in packet["chunks"]))
                add("sdes.length", *(len(text) // 2 for chunk in packet["chunks"] for _, text in chunk["items"]))
            case "Goodbye":
                add("ssrc.identifier", *packet["sources"])
                add("sdes.length", *([len(packet["reason"]) // 2] if packet["reason"] else []))
            case "Nack":
                add("rtpfb.nack_pid", *packet["lost"])
            case "FullIntra":
                add("psfb.fir.fci.ssrc", *(ssrc for ssrc, _ in packet["entries"]))
                add("psfb.fir.fci.csn", *(number for _, number in packet["entries"]))
            case "ReceiverEstimate":
                add("psfb.remb.fci.ssrc", *packet["ssrcs"])
            case "TransportFeedback":
                _add_feedback(packet, wanted)
            case "ExtendedReport":
                delays = [delay for block in packet["blocks"] for delay in block.get("delays", [])]
                add("ssrc.identifier", *(delay["ssrc"] for delay in delays))
                add("xr.lrr", *(delay["last_reference"] for delay in delays))
                add("xr.dlrr", *(delay["delay_since"] for delay in delays))
                continue
        for block in packet.get("blocks", []):
            add("ssrc.identifier", block["ssrc"])
            for field, name in BLOCK.items():
                wanted[field].append(block[name])
        if packet["type"] in ("Nack", "PictureLoss", "TransportFeedback"):
            add("mediassrc", packet["media_ssrc"])
    if any(packet["type"] in ("FullIntra", "ReceiverEstimate") for packet in packets):
        del wanted["rtcp.mediassrc"]  # not looked at in those
    return wanted


def _add_feedback(packet: dict[str, Any], wanted: dict[str, list[int]]) -> None:
    reference = packet["reference_time"]
    ticks = [packet["arrivals"][place] for place in sorted(packet["arrivals"], key=int)]
    deltas = [now - before for before, now in zip([0, *ticks], ticks, strict=False)]
    # It prints the reference time as a signed number, and large deltas as they are on the wire.
    wanted["rtcp.rtpfb.transportcc.reftime"].append(reference - (1 << 24) if reference >> 23 else reference)
    wanted["rtcp.rtpfb.transportcc.baseseq"].append(packet["base_sequence"])
    wanted["rtcp.rtpfb.transportcc.statuscount"].append(packet["statuses"])
    wanted["rtcp.rtpfb.transportcc.pktcount"].append(packet["count"])
    wanted["rtcp.rtpfb.transportcc.recv_delta"] += [delta & 0xFFFF for delta in deltas]


def _compare_texts(case: Case, row: dissection.Row) -> None:
    texts, rates = [], []
    for packet in case["out"]:
        texts += [text for chunk in packet.get("chunks", []) for _, text in chunk["items"]]
        texts += [packet["reason"]] if packet.get("reason") else []
        rates += [int(packet["bitrate_bps"])] if "bitrate_bps" in packet else []
    wanted = [bytes.fromhex(text).decode() for text in texts if text]
    assert row["rtcp.sdes.text"] == wanted, f"{case['id']}: tshark reads {row['rtcp.sdes.text']}"
    exponents = dissection.numbers(row["rtcp.psfb.remb.fci.br_exp"])
    mantissas = dissection.numbers(row["rtcp.psfb.remb.fci.br_mantissa"])
    assert [mantissa << exponent for exponent, mantissa in zip(exponents, mantissas, strict=True)] == rates, case["id"]


# --- Pion -----------------------------------------------------------------------------------------


def _ask_pion(operation: str, cases: list[Case]) -> None:
    for case, said in pionrtcp.packets_of(cases):
        wanted = [packet for packet in case["out"] if packet["type"] == "ExtendedReport"]
        assert said == wanted, f"Pion reads {case['id']} otherwise"

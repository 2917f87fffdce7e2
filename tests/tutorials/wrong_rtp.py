"""Mistakes in the module of tutorial 7, each of which its check must find: what is right, and what is wrong."""

from __future__ import annotations

RTP = {
    "any version": ("if len(data) < 12 or data[0] >> 6 != 2:", "if len(data) < 12:"),
    "contributing sources are payload": ("12 + 4 * (first & 0x0F)", "12"),
    "the extension counts octets": (
        "start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])",
        "start += 4 + int.from_bytes(data[start + 2 : start + 4])",
    ),
    "the head of the extension is forgotten": ("start += 4 + 4 * int", "start += 4 * int"),
    "padding is payload": ("        end -= data[-1]\n", ""),
    "padding of nothing": ("        if not data[-1]:\n", "        if False:\n"),
    "a header without end": (
        '    if start > end:\n        raise Malformed("the',
        '    if False:\n        raise Malformed("the',
    ),
    "the marker is a type": ("Packet(second & 0x7F,", "Packet(second,"),
    "half way around only": ("(later - earlier + half) % (2 * half) - half", "(later - earlier) % (2 * half)"),
    "always sixteen bits": ("half = 1 << bits - 1", "half = 1 << 15"),
    "an old packet is the highest": ("self.highest = max(self.highest, index)", "self.highest = index"),
    "losses are never negative": ("lost - (lost >> 23 << 24)", "lost"),
    "the mask from the other end": ("if mask >> bit & 1]", "if mask << bit & 0x8000]"),
    "the mask begins with the number": ("[first + 1 + bit & 0xFFFF", "[first + bit & 0xFFFF"),
    "the mask does not wrap": ("[first + 1 + bit & 0xFFFF for", "[first + 1 + bit for"),
    "any feedback is a NACK": ("if (kind, count) == (205, 1):", "if kind == 205:"),
    "any payload feedback is a picture loss": ("if (kind, count) == (206, 1):", "if kind == 206:"),
    "what is unknown ends it": (
        "            found.append(read(kind, first & 0x1F, data[at + 4 : end]))\n",
        "            found.append(read(kind, first & 0x1F, data[at + 4 : end]))\n            if not found[-1]:\n"
        "                break\n",
    ),
    "longer than the datagram": ("if first >> 6 != 2 or end > len(data):", "if first >> 6 != 2:"),
    "what is cut short raises": ("    except struct.error:\n", "    except KeyError:\n"),
    "a pair for each": ("if 1 <= ahead <= 16:", "if False:"),
    "a mask of seventeen": ("if 1 <= ahead <= 16:", "if 1 <= ahead <= 15:"),
    "pairs do not wrap": ("number - pairs[-1][0] & 0xFFFF if pairs", "number - pairs[-1][0] if pairs"),
    "words, with the head": ("len(body) // 4) + body", "len(body) // 4 + 1) + body"),
    "written without a sign": ("| block.cumulative_lost & 0xFFFFFF\n", "| max(block.cumulative_lost, 0)\n"),
    "expected by 16 bits": (
        "expected = self.numbers.highest - self.first + 1",
        "expected = (self.numbers.highest - self.first & 0xFFFF) + 1 if self.numbers.highest < 65536 else 1",
    ),
    "the fraction of everything": ("self.reported = expected, self.received\n", "pass\n"),
    "one less was sent": ("self.numbers.highest - self.first + 1\n", "self.numbers.highest - self.first\n"),
    "the fraction in per cent": ("256 * lost // interval", "100 * lost // interval"),
    "a negative fraction": (
        "256 * lost // interval if lost > 0 else 0",
        "256 * lost // interval if interval else 0",
    ),
    "the highest without its wraps": (
        "highest_sequence=self.numbers.highest,",
        "highest_sequence=self.numbers.highest & 0xFFFF,",
    ),
    "jitter without smoothing": ("(abs(came - sent) - self.jitter) / 16", "abs(came - sent) - self.jitter"),
    "jitter that cancels out": ("(abs(came - sent) - self.jitter)", "(came - sent - self.jitter)"),
    "jitter in seconds": ("(arrival - self.last[0]) * self.clock_rate", "arrival - self.last[0]"),
    "jitter where the timestamp wraps": (
        "difference(timestamp, self.last[1], bits=32)\n            self.jitter",
        "timestamp - self.last[1]\n            self.jitter",
    ),
    "the delay in milliseconds": ("(now - self.sender_report_at) * 65536", "(now - self.sender_report_at) * 1000"),
    "since 1970": ("int((wall + NTP_EPOCH) * 2**32)", "int(wall * 2**32)"),
    "the upper half": ("ntp >> 16 & 0xFFFFFFFF", "ntp >> 32 & 0xFFFFFFFF"),
    "the delay counts": ("difference(middle_now - delay, last", "difference(middle_now, last"),
    "a clock that never wraps": (
        "difference(middle_now - delay, last_sender_report, bits=32)",
        "middle_now - delay - last_sender_report",
    ),
    "a round trip of nothing": ("if last_sender_report and ticks >= 0", "if ticks >= 0"),
    "before it was sent": ("if last_sender_report and ticks >= 0", "if last_sender_report"),
    "a timestamp that never wraps": (
        "difference(timestamp, report.rtp_timestamp, bits=32) / clock_rate",
        "(timestamp - report.rtp_timestamp) / clock_rate",
    ),
}

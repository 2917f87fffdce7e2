"""Mistakes in the module of tutorial 8, each of which its check must find: what is right, and what is wrong."""

from __future__ import annotations

LOSS = {
    "the latest decides": ("NEARLY_ALL = 0.97", "NEARLY_ALL = 0.999"),
    "half of them will do": ("NEARLY_ALL = 0.97", "NEARLY_ALL = 0.5"),
    "never forgets": ("FADES = 5.0", "FADES = 1e9"),
    "always the same": ("self.delay = (place + 1) * BAR", "self.delay = 0.2"),
    "a clock that nobody follows": (
        "now + TRACK, self.fastest, math.inf",
        "now + TRACK, self.fastest, self.fastest",
    ),
    "gaps are not told": ("                released.append(Gap(index - self.next))\n", ""),
    "late ones come out": ("            self.missed.remove(index)\n            return\n", ""),
    "late ones are not measured": (
        "        self.measure(now - media_at, now)\n        if is_late:\n            self.missed.remove(index)\n"
        "            return\n",
        "        if is_late:\n            return\n        self.measure(now - media_at, now)\n",
    ),
    "what comes again is late": (
        "            return  # it comes twice\n",
        "            self.measure(now - media_at, now)\n            return\n",
    ),
    "waits for what is missing": (
        "return self.origin + self.held[index][0] + self.delay",
        "return self.origin + self.held[index][0] + self.delay + (self.next is not None and index > self.next)",
    ),
    "held from its arrival": ("self.held[index] = media_at, item", "self.held[index] = now - self.origin, item"),
    "a buffer without bound": ("if len(self.held) == CAPACITY:", "if False:"),
    "held without limit": (
        "min(max(self.lateness.delay, self.least), self.longest)",
        "max(self.lateness.delay, self.least)",
    ),
    "no time for repairs": ("max(self.lateness.delay, self.least)", "self.lateness.delay"),
    "times of sixteen bits": ("Unwrapper(16), Unwrapper(32)", "Unwrapper(16), Unwrapper(16)"),
    "numbers that do not wrap": ("index, media_at = self.numbers.unwrap(sequence),", "index, media_at = sequence,"),
    "always ninety kilohertz": (
        "self.times.unwrap(timestamp) / self.clock_rate",
        "self.times.unwrap(timestamp) / 90000",
    ),
    "no patience": ("(now, now + PATIENCE, 0)", "(now, now, 0)"),
    "asks once": ("min(now + self.round_trip_time, noticed_at + GIVE_UP)", "noticed_at + GIVE_UP"),
    "asks all the time": ("min(now + self.round_trip_time,", "min(now + 0.01,"),
    "too many requests": ("TRIES, GIVE_UP = 10, 1.0", "TRIES, GIVE_UP = 1000, 1.0"),
    "for too long": ("TRIES, GIVE_UP = 10, 1.0", "TRIES, GIVE_UP = 10, 100.0"),
    "gives up and says nothing": (
        "                del self.missing[index]\n                self.lost_hope = True\n",
        "                del self.missing[index]\n",
    ),
    "says it for ever": ("answer, self.lost_hope = self.lost_hope, False", "answer = self.lost_hope"),
    "asks for thousands": ("TOO_MANY = 1000", "TOO_MANY = 10**6"),
    "asks for thousands, bit by bit": (
        "index - self.highest - 1 + len(self.missing) >",
        "index - self.highest - 1 >",
    ),
    "deaf to repairs": ("        self.missing.pop(index, None)\n", ""),
    "asks for indexes": ("asked.append(index & 0xFFFF)", "asked.append(index)"),
    "an old packet opens a gap": (
        "max(self.highest, index)\n\n    def next_timeout",
        "index\n\n    def next_timeout",
    ),
    "another packet under this number": ("found[0] != sequence or ", ""),
    "answers every request": (" or now - found[2] < IMPATIENT", ""),
    "answers once": ("IMPATIENT = 0.04", "IMPATIENT = 9.0"),
    "answers for ever": ("now - found[1] > FRESH or ", ""),
    "keeps all": ("KEPT, FRESH = 512, 2.0", "KEPT, FRESH = 65536, 2.0"),
    "the number in front of the extension": (
        "packet[12:start] + packet[2:4] + packet[start:]",
        "packet[2:4] + packet[12:]",
    ),
    "a repetition without its marker": (
        "packet[1] & 0x80 | payload_type)) + sequence",
        "payload_type)) + sequence",
    ),
    "the number of the repetition": ("packet[start : start + 2] + packet[4:8]", "packet[2:4] + packet[4:8]"),
    "a repetition of nothing": ("if end < start + 2:", "if False:"),
    "the length of everything": ("(len(packet) - 12).to_bytes(2)", "len(packet).to_bytes(2)"),
    "the version counts": ("bytes((packet[0] & 0x3F, packet[1])) + packet[4:8]", "bytes(packet[:2]) + packet[4:8]"),
    "no timestamp": ("packet[1])) + packet[4:8] + (len", "packet[1])) + bytes(4) + (len"),
    "zeros in front": ("row.ljust(size", "row.rjust(size"),
    "a mask from the right": ("sum(0x8000 >> (int", "sum(1 << (int"),
    "a mask that does not wrap": (
        "(int.from_bytes(packet[2:4]) - base & 0xFFFF)",
        "abs(int.from_bytes(packet[2:4]) - base)",
    ),
    "numbers in it that do not wrap": ("[base + place & 0xFFFF for", "[base + place for"),
    "two of one row": ("if len(missing) != 1:", "if not missing:"),
    "a length that cannot be": ("if length > size:", "if False:"),
    "a parity that is cut short": ("if len(payload) < 14 + size:", "if False:"),
    "all are equally long": ("octets[8 : 8 + length]", "octets[8:]"),
}

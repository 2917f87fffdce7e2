"""Mistakes in the module of tutorial 12, each of which its check must find: what is right, and what is wrong."""

from __future__ import annotations

RECORDING = {
    "any file is a journal": ("magic != MAGIC or version", "version"),
    "any version": (" or version != VERSION", ""),
    "the header is not checked": ("    if crc != int.from_bytes(data[12:16]):\n        return None\n", ""),
    "the opening is not covered": (
        "crc = zlib.crc32(data[16:at], zlib.crc32(data[:12]))\n    if",
        "crc = zlib.crc32(data[16:at])\n    if",
    ),
    "JSON raises": ("except (ValueError, RecursionError):", "except KeyError:"),
    "any header": ("    if not isinstance(header, dict):\n        return None\n", ""),
    "a CRC for each record": (
        "crc = zlib.crc32(content, zlib.crc32(data[at : at + 10], journal.crc))",
        "crc = zlib.crc32(content, zlib.crc32(data[at : at + 10]))",
    ),
    "the head is not covered": (
        "crc = zlib.crc32(content, zlib.crc32(data[at : at + 10], journal.crc))",
        "crc = zlib.crc32(content, journal.crc)",
    ),
    "records are not checked": (
        "if len(content) < length or crc != int.from_bytes(data[at + 10 : at + 14]):",
        "if len(content) < length:",
    ),
    "reads on behind the end": ("while not journal.closed and read_record", "while read_record"),
    "the end is a record": ("    if length:\n        journal.records", "    if True:\n        journal.records"),
    "never closed": ("        journal.closed = True\n", "        pass\n"),
    "reads behind the file": ("    if at + 14 > len(data):\n        return False\n", ""),
    "spaces in the header": ('separators=(",", ":"), ensure_ascii=False', "ensure_ascii=False"),
    "writes what cannot be read": ("        if not 0 < len(content) <= MOST:\n", "        if len(content) > MOST:\n"),
    "writes what is too long": ("        if not 0 < len(content) <= MOST:\n", "        if not content:\n"),
    "writes without a chain": (
        "self.crc = zlib.crc32(content, zlib.crc32(head, self.crc))",
        "self.crc = zlib.crc32(content, zlib.crc32(head))",
    ),
    "heals nothing": ("    return data[: journal.size] + writer.end(last)", "    return data"),
    "cuts and does not close": (
        "    return data[: journal.size] + writer.end(last)",
        "    return data[: journal.size]",
    ),
    "closes twice": ("    if journal.closed:\n        return data[: journal.size]\n", ""),
    "keeps what is behind the end": (
        "    if journal.closed:\n        return data[: journal.size]\n",
        "    if journal.closed:\n        return data\n",
    ),
    "goes on from nothing": ("    writer.crc = journal.crc\n", "    writer.crc = 0\n"),
    "arrivals for clocks": ("        taken = timelines[name].at(int.from_bytes(content[4:8]))", "        taken = None"),
    "one clock rate": ("seconds + ticks / self.pace()", "seconds + ticks / 48000"),
    "crystals keep what they promise": (
        "        return (after - before) / (until - since)",
        "        return self.clock_rate",
    ),
    "timestamps do not wrap": (
        "ticks = nearest(timestamp, reported, 32) - reported",
        "ticks = timestamp - (reported & 0xFFFFFFFF)",
    ),
    "fractions of a second": ("fraction / 2**32", "fraction / 1e9"),
    "no time without reports": ("came if taken is None else offset.at(taken)", "offset.at(taken)"),
    "the newest difference": (
        "        while self.least and self.least[-1][1] >= came - taken:\n            self.least.pop()\n",
        "        self.least.clear()\n",
    ),
    "the least of all times": (
        "        while self.least[0][0] < came - WINDOW:\n            self.least.pop(0)\n",
        "",
    ),
    "an offset for each stream": (
        "        if taken is not None:\n            offset.saw(taken, came)\n",
        "        offset = timelines[name].__dict__.setdefault('offset', Offset())\n"
        "        if taken is not None:\n            offset.saw(taken, came)\n",
    ),
    "reports are packets": ("content in records if not is_control(content)]\n", "content in records]\n"),
    "cut off as it is added": (
        "                mixed[place] += sample",
        "                mixed[place] = clip(mixed[place] + sample)",
    ),
    "it wraps": ("return max(-LOUDEST - 1, min(LOUDEST, sample))", "return (sample + 32768) % 65536 - 32768"),
    "all begin at once": ("enumerate(samples, start)", "enumerate(samples)"),
    "everybody hears themselves": ("clip(all_of_it - mine)", "clip(all_of_it)"),
    "cut off before it is taken away": ("clip(all_of_it - mine)", "clip(all_of_it) - mine"),
    "the average": (
        "    return [clip(sample) for sample in total(voices, length)]",
        "    return [sample // max(len(voices), 1) for sample in total(voices, length)]",
    ),
}

"""Mistakes in the module of tutorial 10, each of which its check must find: what is right, and what is wrong."""

from __future__ import annotations

SFU = {
    "copies the number": ("sequence, timestamp = number + self.sequence_offset,", "sequence, timestamp = number,"),
    "copies the time": ("came + self.timestamp_offset & 0xFFFFFFFF", "came"),
    "begins where it ended": ("self.sequence + 1 - number", "self.sequence - number"),
    "leaves a gap at a switch": ("self.sequence + 1 - number", "self.sequence + 2 - number"),
    "time may stand still": ("if self.has_begun and not step <=", "if self.has_begun and not 0 <="),
    "time may go back": ("        if self.has_begun and not step <=", "        if False and not step <="),
    "what is older goes": ("if number < self.first:", "if False:"),
    "numbers do not wrap": ("number = nearest(number, self.newest, 16)", "number = number"),
    "a late packet sets the end": ("if sequence > self.sequence:", "if True:"),
    "a probe is a picture": ("        if not payload:", "        if False:"),
    "no marker": ("flags, marker, payload = VERSION, second & MARKER,", "flags, marker, payload = VERSION, 0,"),
    "the publisher's payload type": ("marker | self.payload_type", "second"),
    "the publisher's extensions": (
        "timestamp, self.ssrc) + payload\n",
        "timestamp, self.ssrc) + packet[12:start] + payload\n",
    ),
    "pictures begin anew": ("self.picture + 1 - layout.picture_id", "1 - layout.picture_id"),
    "the publisher's picture id": ("picture += self.picture_offset", "picture += 0"),
    "all picture ids are long": ("bits = 15 if payload[layout.picture_id_at] & vp8.M else 7", "bits = 15"),
    "picture ids stay short": (
        "(0x8000 | picture & 0x7FFF).to_bytes(2)",
        "((0x8000 | picture & 0x7FFF).to_bytes(2) if bits == 15 else bytes([picture & 0x7F]))",
    ),
    "layers begin anew": ("self.tl0 + 1 - layout.tl0_picture_index", "1 - layout.tl0_picture_index"),
    "the publisher's layers": ("layout.tl0_picture_index + self.tl0_offset & 0xFF", "layout.tl0_picture_index"),
    "layers forgotten": ("self.tl0 = max(self.tl0, nearest(tl0, self.tl0, 8))", "pass"),
    "sound has a descriptor": ("elif self.is_video:", "else:"),
    "the largest, whatever is wanted": (
        "[*reversed(encodings[: place + 1]), *encodings[place + 1 :]]",
        "encodings[::-1]",
    ),
    "the next larger first": (
        "[*reversed(encodings[: place + 1]), *encodings[place + 1 :]]",
        "[*encodings[place:], *reversed(encodings[:place])]",
    ),
    "what is not sent": ("next((each for each in by_liking if each in living), wanted)", "wanted"),
    "switches anywhere": ("if stream == self.awaited and starts(packet):", "if stream == self.awaited:"),
    "shows nothing meanwhile": (
        "        if stream is None or (self.shown is not None and stream[0] != self.shown[0]):",
        "        if stream != self.shown:",
    ),
    "one under the other's name": (
        "        if stream is None or (self.shown is not None and stream[0] != self.shown[0]):",
        "        if stream is None:",
    ),
    "waits for what it shows": ("None if stream == self.shown else stream", "stream"),
    "time stands still between two": ("self.rewriter.timestamp + passed & 0xFFFFFFFF", "self.rewriter.timestamp"),
    "asks for each": ("        if self.due < math.inf:\n            return False\n", ""),
    "asks as often as it likes": ("max(now, self.sent_at + SHORTEST_GAP)", "now"),
    "asks once": ("self.due, self.wait = now + self.wait,", "self.due, self.wait = math.inf,"),
    "asks for ever": ("if self.tries == MOST_TRIES:", "if False:"),
    "asks at one pace": ("min(2 * self.wait, LONGEST_REPEAT)", "self.wait"),
    "waits longer and longer": ("min(2 * self.wait, LONGEST_REPEAT)", "2 * self.wait"),
    "a keyframe does not count": (
        '"""A keyframe begins: all are served."""\n        self.due = math.inf',
        '"""A keyframe begins: all are served."""',
    ),
    "asks for nobody": (
        "                gate.arrived(now)  # nobody waits any more",
        "                gate.repeat(now) and self.request(stream)",
    ),
    "the first who reads takes it": (
        "        return [(viewer, data) for viewer, data in made if data is not None]\n",
        "        return [(viewer, data) for viewer, data in made if data is not None][:1]\n",
    ),
    "the softest": ("key=lambda who: -self.voices[who].loudness", "key=lambda who: self.voices[who].loudness"),
    "levels upside down": ("127 - level, now", "level, now"),
    "no margin": (
        "MARGIN, CHALLENGE, SHORTEST_STAY = 6.0, 0.3, 1.5",
        "MARGIN, CHALLENGE, SHORTEST_STAY = 0.0, 0.3, 1.5",
    ),
    "no patience": (
        "MARGIN, CHALLENGE, SHORTEST_STAY = 6.0, 0.3, 1.5",
        "MARGIN, CHALLENGE, SHORTEST_STAY = 6.0, 0.0, 1.5",
    ),
    "no stay": (
        "MARGIN, CHALLENGE, SHORTEST_STAY = 6.0, 0.3, 1.5",
        "MARGIN, CHALLENGE, SHORTEST_STAY = 6.0, 0.3, 0.0",
    ),
    "down as fast as up": ("RISE, FALL = 0.06, 0.6", "RISE, FALL = 0.06, 0.06"),
    "up as slowly as down": ("RISE, FALL = 0.06, 0.6", "RISE, FALL = 6.0, 0.6"),
    "who is silent is as loud as before": ("if now - self.heard_at <= HEARD else 0.0", ""),
    "who left is heard": ("        if who in self.loudest:\n            self.loudest.remove(who)\n", ""),
    "one more": ("if len(self.loudest) < self.count or", "if len(self.loudest) <= self.count or"),
    "nobody gives way": ("            self.loudest.remove(softest)\n", "            pass\n"),
    "all move": ("[who if who in wanted else None for who in self.places]", "[None for who in self.places]"),
    "who led last is first": (
        "        for who in wanted:\n            if who not in self.places:",
        "        self.places = wanted + [None] * (len(self.places) - len(wanted))\n"
        "        for who in []:\n            if True:",
    ),
    "who leads is not seen": ("        self.recent.insert(0, who)\n", "        self.recent.append(who)\n"),
    "who left stays": (
        "    def leave(self, who):\n        self.recent.remove(who)\n        self.fill()",
        "    def leave(self, who):\n        self.recent.remove(who)",
    ),
    "newcomers first": ("        self.recent.append(who)\n", "        self.recent.insert(0, who)\n"),
}

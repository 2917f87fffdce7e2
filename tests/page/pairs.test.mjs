// Candidate pairs as browsers tell them, each in its own shape, become the same rows and sentences.
import assert from "node:assert/strict";
import { test } from "node:test";
import { candidatePairs, kindWords, milliseconds, octets, pathWords } from "../../meetref/app/page/pairs.js";
import { transport } from "../../meetref/app/page/stats.js";

/** As in browsers, an entry is a new object whenever one asks for it. */
class Report extends Map {
  get(id) {
    return this.has(id) ? { ...super.get(id) } : undefined;
  }

  *values() {
    for (const entry of super.values()) yield { ...entry };
  }
}
const report = (...entries) => new Report(entries.map((entry) => [entry.id, entry]));
const end = (id, address, more = {}) => ({
  id,
  type: `${id.startsWith("L") ? "local" : "remote"}-candidate`,
  candidateType: "host",
  protocol: "udp",
  address,
  port: 5000,
  ...more,
});
const pair = (id, local, remote, more = {}) => ({
  id,
  type: "candidate-pair",
  localCandidateId: local,
  remoteCandidateId: remote,
  state: "succeeded",
  nominated: false,
  bytesSent: 0,
  bytesReceived: 0,
  ...more,
});
const ENDS = [end("L4", "192.0.2.2"), end("L6", "2001:db8::2"), end("R4", "192.0.2.1"), end("R6", "2001:db8::1")];

/** Chromium: the pair in use stands in the transport; what was never answered has no round trip at all. */
const CHROMIUM = report(
  pair("P1", "L4", "R4", { state: "waiting", priority: 1, responsesReceived: 0 }),
  pair("P2", "L4", "R6", { currentRoundTripTime: 0.006, priority: 3, nominated: true }),
  pair("P3", "L6", "R6", { currentRoundTripTime: 0, responsesReceived: 3, nominated: true, bytesSent: 15412 }),
  pair("P4", "L6", "R4", { state: "in-progress", priority: 2 }),
  { id: "T", type: "transport", selectedCandidatePairId: "P3", tlsVersion: "FEFD", dtlsCipher: "C", srtpCipher: "S" },
  ...ENDS,
);

/** Firefox before it had transports: the pair itself says that it is in use. */
const FIREFOX = report(
  pair("a", "L4", "R4", { selected: false, state: "inprogress", responsesReceived: 0, currentRoundTripTime: 0 }),
  pair("b", "L4", "R4", { selected: true, nominated: true, responsesReceived: 1, currentRoundTripTime: 0.004 }),
  pair("c", "L4", "R4", { selected: false, nominated: true }),
  pair("d", "L4", "R4", { selected: false, state: "cancelled" }),
  ...ENDS,
);

const ids = (rows) => rows.map(({ id }) => id);

test("the pair in use comes first, then those that work, then those that may", () => {
  assert.deepEqual(ids(candidatePairs(CHROMIUM)), ["P3", "P2", "P4", "P1"]);
  assert.deepEqual(ids(candidatePairs(FIREFOX)), ["b", "c", "a", "d"]);
  for (const rows of [candidatePairs(CHROMIUM), candidatePairs(FIREFOX)])
    assert.deepEqual(
      rows.map(({ selected }) => selected),
      [true, false, false, false],
    );
});

test("browsers that say neither have the nominated pair that works in use", () => {
  const rows = candidatePairs(
    report(pair("a", "L4", "R4"), pair("b", "L4", "R4", { nominated: true, state: "failed" }), ...ENDS),
  );
  assert.equal(rows.filter(({ selected }) => selected).length, 0);
  assert.equal(candidatePairs(report(pair("a", "L4", "R4", { nominated: true }), ...ENDS))[0].selected, true);
});

test("rows stay where they are while only figures change", () => {
  const later = new Report([...CHROMIUM].reverse());
  later.set("P3", { ...later.get("P3"), bytesSent: 99999 });
  assert.deepEqual(ids(candidatePairs(later)), ids(candidatePairs(CHROMIUM)));
});

test("a row has both ends, its state in words, and figures", () => {
  const [row] = candidatePairs(CHROMIUM);
  assert.equal(row.local.address, "[2001:db8::2]:5000");
  assert.equal(kindWords(row.local), "host udp");
  assert.deepEqual([row.words, row.nominated, row.sent, row.received], ["Succeeded", true, 15412, 0]);
  assert.deepEqual(
    candidatePairs(FIREFOX).map(({ words }) => words),
    ["Succeeded", "Succeeded", "In progress", "Cancelled"],
  );
});

test("a round trip of zero counts only where something was answered", () => {
  const trips = (rows) => rows.map(({ roundTrip }) => roundTrip);
  assert.deepEqual(trips(candidatePairs(CHROMIUM)), [0, 0.006, null, null]);
  assert.deepEqual(trips(candidatePairs(FIREFOX)), [0.004, null, null, null]);
  assert.equal(transport("up", {}, FIREFOX).round_trip_time, 0.004);
});

test("what a browser does not tell is no error", () => {
  assert.deepEqual(candidatePairs(null), []);
  assert.deepEqual(candidatePairs(report({ id: "T", type: "transport" })), []);
  const [row] = candidatePairs(report({ id: "a", type: "candidate-pair", localCandidateId: "gone" }));
  assert.deepEqual(
    [row.words, row.local.address, row.sent, row.roundTrip, row.selected],
    ["Unknown", null, null, null, false],
  );
  assert.equal(pathWords(row), "No path yet");
  assert.equal(transport("up", {}, null).pair, null);
});

test("the pair is told by the transport with its ciphers, or without", () => {
  const told = transport("up", { iceConnectionState: "connected" }, CHROMIUM);
  assert.deepEqual([told.pair, told.dtls, told.dtls_cipher], ["host udp / host udp", "1.2", "C"]);
  const silent = transport("up", { iceConnectionState: "connected" }, FIREFOX);
  assert.deepEqual([silent.pair, silent.dtls, silent.srtp_profile], ["host udp / host udp", null, null]);
});

test("the path as one says it", () => {
  const words = (local, remote = end("R", "192.0.2.1")) =>
    pathWords(candidatePairs(report(pair("a", local.id, remote.id, { selected: true }), local, remote))[0]);
  const tcp = { protocol: "tcp", tcpType: "active" };
  assert.equal(words(end("L", "192.0.2.2")), "Directly over UDP, IPv4");
  assert.equal(words(end("L", "192.0.2.2", { candidateType: "srflx" })), "Directly over UDP, IPv4");
  assert.equal(words(end("L", "2001:db8::2"), end("R", "2001:db8::1")), "Directly over UDP, IPv6");
  assert.equal(words(end("L", "secret.local")), "Directly over UDP, IPv4");
  assert.equal(words(end("L", undefined), end("R", undefined)), "Directly over UDP");
  assert.equal(words(end("L", "192.0.2.2", tcp)), "Over the server's TCP port, IPv4");
  const relayed = (relayProtocol) => words(end("L", "192.0.2.1", { candidateType: "relay", relayProtocol }));
  assert.equal(relayed("udp"), "Through the relay over UDP");
  assert.equal(relayed("tls"), "Through the relay over TLS");
  assert.equal(relayed(undefined), "Through the relay");
  assert.equal(pathWords(undefined), "No path yet");
  assert.equal(kindWords({ kind: "relay", protocol: "udp", relay: "tcp" }), "relay udp by tcp");
});

test("figures have three digits and their unit", () => {
  const plain = (text) => text.replaceAll("\u00a0", " ");
  assert.deepEqual([0, 859, 999, 1000, 15412, 99949, 99950, 999499, 999500, 3.21e9].map(octets).map(plain), [
    "0 B",
    "859 B",
    "999 B",
    "1.00 kB",
    "15.4 kB",
    "99.9 kB",
    "100 kB",
    "999 kB",
    "1.00 MB",
    "3.21 GB",
  ]);
  assert.deepEqual([0, 0.001, 0.0124, 1.5].map(milliseconds).map(plain), ["< 1 ms", "1 ms", "12 ms", "1500 ms"]);
  assert.deepEqual([octets(null), milliseconds(null)], ["–", "–"]);
});

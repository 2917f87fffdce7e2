/**
 * The candidate pairs of a connection, out of `RTCPeerConnection.getStats()`, as rows that can be shown.
 *
 * Browsers differ: which pair is in use stands in the `transport` entry or, in older Firefoxes, in the pair itself; a
 * round trip of zero means none yet where nothing was answered. What is not told is null.
 * Specification: W3C Identifiers for WebRTC's Statistics API; RFC 8445 section 6.1.2.6 (the states of a pair).
 * Leaves out: the DOM (`paths.js`).
 * Read next: `paths.js`, tests/page/pairs.test.mjs.
 */

const STATES = {
  succeeded: "Succeeded",
  "in-progress": "In progress",
  waiting: "Waiting",
  frozen: "Frozen",
  cancelled: "Cancelled",
  failed: "Failed",
};
const ORDER = Object.keys(STATES);
const SPELLINGS = { inprogress: "in-progress" };
const UNITS = ["B", "kB", "MB", "GB", "TB"];
const SPACE = "\u00a0"; // a figure and its unit stay on one line

/** The `candidate-pair` entry that is in use, or undefined. Browsers make a new object of an entry at every look. */
export function selectedPair(report) {
  const entries = [...report.values()];
  const told = entries.find(({ type, selectedCandidatePairId: id }) => type === "transport" && id);
  const pairs = entries.filter(({ type }) => type === "candidate-pair");
  return (
    report.get(told?.selectedCandidatePairId) ??
    pairs.find((pair) => (pair.selected ?? pair.nominated) && pair.state === "succeeded")
  );
}

/** All pairs, the one in use first, then those nearest to being of use. */
export function candidatePairs(report) {
  if (!report) return [];
  const selected = selectedPair(report);
  return [...report.values()]
    .filter(({ type }) => type === "candidate-pair")
    .map((pair) => row(pair, pair.id === selected?.id, report))
    .sort(compare);
}

function row(pair, selected, report) {
  const state = SPELLINGS[pair.state] ?? pair.state;
  return {
    id: pair.id,
    local: candidate(report.get(pair.localCandidateId)),
    remote: candidate(report.get(pair.remoteCandidateId)),
    state,
    words: STATES[state] ?? state ?? "Unknown",
    selected,
    nominated: pair.nominated ?? false,
    priority: pair.priority ?? 0,
    roundTrip: roundTrip(pair),
    sent: pair.bytesSent ?? null,
    received: pair.bytesReceived ?? null,
  };
}

/** The last round trip of a pair in seconds, or null while it has none. */
export function roundTrip({ currentRoundTripTime: seconds, responsesReceived }) {
  return seconds === undefined || responsesReceived === 0 ? null : seconds;
}

/** One end of a pair; `family` is that of its address, null where the browser hides it. */
function candidate(entry) {
  const address = entry?.address ?? entry?.ip ?? "";
  const family = address.includes(":") ? "IPv6" : /^[\d.]+$/u.test(address) ? "IPv4" : null;
  const host = family === "IPv6" ? `[${address}]` : address;
  return {
    kind: entry?.candidateType ?? "unknown",
    protocol: entry?.protocol ?? null,
    relay: entry?.relayProtocol ?? null,
    address: address ? `${host}:${entry.port}` : null,
    family,
  };
}

function compare(one, other) {
  return (
    other.selected - one.selected ||
    rank(one) - rank(other) ||
    other.priority - one.priority ||
    (one.id < other.id ? -1 : 1)
  );
}

function rank({ state }) {
  return ORDER.includes(state) ? ORDER.indexOf(state) : ORDER.length;
}

/** How sound and picture travel on a pair, as one says it. */
export function pathWords(pair) {
  if (!pair?.selected) return "No path yet";
  const { local, remote } = pair;
  if (local.kind === "relay")
    return ["Through the relay", local.relay?.toUpperCase()].filter(Boolean).join(" over ");
  const how = local.protocol === "tcp" ? "Over the server's TCP port" : "Directly over UDP";
  return [how, local.family ?? remote.family].filter(Boolean).join(", ");
}

/** What kind of candidate it is, in the words of SDP, and over what. */
export function kindWords({ kind, protocol, relay }) {
  return [kind, protocol, relay && `by ${relay}`].filter(Boolean).join(" ");
}

/** Seconds as milliseconds. Browsers measure whole ones. */
export function milliseconds(seconds) {
  if (seconds === null) return "–";
  const whole = Math.round(seconds * 1000);
  return whole < 1 ? `<${SPACE}1${SPACE}ms` : `${whole}${SPACE}ms`;
}

/** A number of octets in three digits. */
export function octets(count) {
  if (count === null) return "–";
  let value = count;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit += 1) value /= 1000;
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)}${SPACE}${UNITS[unit]}`;
}

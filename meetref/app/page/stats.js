/**
 * Reads what is needed out of `RTCPeerConnection.getStats()`, and says it in this project's words.
 *
 * Browsers differ: Firefox leaves out whole entries, so everything may be null. Figures of receivers are found by mid.
 * Specification: W3C Identifiers for WebRTC's Statistics API.
 * Leaves out: counting from when a person sat down (`seats.js`).
 * Read next: `state.js`, `pairs.js`.
 */

import { roundTrip, selectedPair } from "./pairs.js";

const DTLS_VERSIONS = { FEFF: "1.0", FEFD: "1.2", FEFC: "1.3" };

/** What came in, one entry for each `inbound-rtp` of the report: a map from mid to figures. */
export function inbound(report, pc) {
  const mids = new Map(pc.getTransceivers().map(({ mid, receiver }) => [receiver.track.id, mid]));
  const found = new Map();
  for (const entry of report.values()) {
    if (entry.type !== "inbound-rtp") continue;
    const mid = entry.mid ?? mids.get(entry.trackIdentifier);
    if (mid !== undefined) found.set(mid, figures(entry));
  }
  return found;
}

/** The figures of one `inbound-rtp` entry, with zeros for what is not told. */
export function figures(entry) {
  return {
    frames: entry.framesDecoded ?? 0,
    width: entry.frameWidth ?? 0,
    height: entry.frameHeight ?? 0,
    energy: entry.totalAudioEnergy ?? 0,
    level: entry.audioLevel ?? null,
  };
}

/** The level and the energy of one's own microphone, as *up* measures it; null where the browser does not tell. */
export function ownSound(report) {
  for (const entry of report.values()) {
    if (entry.type === "media-source" && entry.kind === "audio" && entry.audioLevel !== undefined) {
      return { told: true, level: entry.audioLevel, energy: entry.totalAudioEnergy ?? 0 };
    }
  }
  return null;
}

/** One connection as `state().transports` tells it. */
export function transport(direction, pc, report) {
  const entries = report ? [...report.values()] : [];
  const own = entries.find(({ type }) => type === "transport");
  const pair = report ? selectedPair(report) : null;
  return {
    direction,
    ice: pc.iceConnectionState,
    pair: pair
      ? `${candidate(report.get(pair.localCandidateId))} / ${candidate(report.get(pair.remoteCandidateId))}`
      : null,
    dtls: own?.tlsVersion ? (DTLS_VERSIONS[own.tlsVersion.toUpperCase()] ?? own.tlsVersion) : null,
    dtls_cipher: own?.dtlsCipher ?? null,
    srtp_profile: own?.srtpCipher ?? null,
    round_trip_time: pair ? roundTrip(pair) : null,
  };
}

function candidate(entry) {
  return entry ? `${entry.candidateType} ${entry.protocol}` : "unknown";
}

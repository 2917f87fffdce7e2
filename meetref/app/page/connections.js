/**
 * The two peer connections of a participant: on *up* the page offers, on *down* the server does.
 *
 * Because each connection has one side that offers, offers never cross. *Up* has its sections in a fixed order:
 * microphone, camera, and from the first shared screen on, screen and screen sound; a track that comes or goes
 * replaces another, without a new offer. Both heal themselves by an ICE restart when their path dies.
 * Specification: W3C WebRTC 1.0; RFC 8829 (what an offer says), RFC 8838 (trickled candidates).
 * Leaves out: who is seen where on *down* (`seats.js`), in how many encodings a source goes up (`layers.js`).
 * Read next: `session.js`, `stats.js`.
 */

import { addSource, Encodings, SOURCES } from "./layers.js";

// The server takes the one it prefers, and what protects it where it is told to.
const VIDEO = ["video/vp8", "video/h264", "video/vp9", "video/av1", "video/rtx", "video/red", "video/ulpfec"];
const CODECS = { audio: ["audio/red", "audio/opus"], video: VIDEO };

/** What *up* and *down* share: candidates that wait for their description, and the watch over the path. */
class Connection extends EventTarget {
  constructor(direction, send) {
    super();
    this.direction = direction;
    this.send = send;
    this.candidates = [];
    this.described = false; // our description has gone, candidates may follow it
    this.closed = false;
    this.configured = new Promise((resolve) => (this.gather = resolve));
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.pc.addEventListener("icecandidate", ({ candidate }) => this.#gathered(candidate?.candidate ?? ""));
    for (const event of ["iceconnectionstatechange", "connectionstatechange"]) {
      this.pc.addEventListener(event, () => this.closed || this.dispatchEvent(new Event("state")));
    }
  }

  /** The relays that the server offers; nothing is gathered before it is known which there are. */
  configure(iceServers) {
    if (!this.closed && iceServers.length) this.pc.setConfiguration({ bundlePolicy: "max-bundle", iceServers });
    this.gather();
  }

  /** `new`, `connecting`, `connected`, `disconnected`, `failed` or `closed`. */
  get state() {
    const { iceConnectionState: ice, connectionState } = this.pc;
    if (connectionState) return connectionState;
    return ice === "completed" ? "connected" : ice === "checking" ? "connecting" : ice;
  }

  close() {
    this.closed = true;
    this.pc.close();
  }

  /** Our description has been sent: so may what was gathered meanwhile. */
  release() {
    this.described = true;
    for (const candidate of this.candidates.splice(0)) this.#trickle(candidate);
  }

  #gathered(candidate) {
    if (this.described) this.#trickle(candidate);
    else this.candidates.push(candidate);
  }

  #trickle(candidate) {
    this.send({ type: `${this.direction}-candidate`, candidate });
  }
}

let upConnections = 0; // so many were made: the server must tell a new one from a new offer of the old one

/** The connection on which this person's sound and pictures go to the server. */
export class Up extends Connection {
  constructor(send) {
    super("up", send);
    this.slots = new Map();
    this.encodings = new Map();
    this.connection = ++upConnections;
    this.number = 0;
    this.offered = false; // an offer is out and not answered
    this.again = false;
    this.#add("microphone");
    this.#add("camera");
  }

  /** Is there anything that must be going out now? */
  get sends() {
    const sent = [...this.encodings.values()].filter(({ used }) => used);
    return this.state === "connected" && sent.some(({ sender }) => sender.track?.readyState === "live");
  }

  /** The server uses these encodings of a section, and no others. */
  async layers({ mid, active }) {
    for (const [source, transceiver] of this.slots)
      if (transceiver.mid === mid) await this.encodings.get(source).keep(active);
  }

  /** Send this track as the given source from now on; null sends nothing. */
  async use(source, track) {
    if (!this.slots.has(source)) {
      if (!track) return;
      this.#add("screen");
      this.#add("screen-sound");
      this.negotiate();
    }
    const { sender } = this.slots.get(source);
    if (sender.track === track || this.closed) return;
    await sender.replaceTrack(track);
    if (!track) return;
    await this.encodings.get(source).fit(track.getSettings());
    if (source === "screen") await this.encodings.get(source).change(preferDetail);
  }

  /** Make an offer and send it; while one is out, the next waits for its answer. */
  async negotiate() {
    if (this.offered) {
      this.again = true;
      return;
    }
    this.offered = true;
    this.again = false;
    await this.configured;
    await this.pc.setLocalDescription(await this.pc.createOffer());
    this.number += 1;
    this.repeat();
  }

  /** Send the offer that is out once more: the WebSocket broke before its answer came. */
  repeat() {
    if (!this.offered || this.closed || this.pc.signalingState !== "have-local-offer") return;
    const tracks = {};
    for (const [source, { mid }] of this.slots) tracks[mid] = source;
    const sent = this.send({
      type: "up-offer",
      connection: this.connection,
      number: this.number,
      sdp: this.pc.localDescription.sdp,
      tracks,
    });
    if (sent) this.release(); // if not, signaling is still on its way, and the offer is repeated when it is there
  }

  async answer({ connection, number, sdp }) {
    if (!this.offered || connection !== this.connection || number !== this.number || this.closed) return;
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    this.offered = false;
    for (const encodings of this.encodings.values()) encodings.apply();
    if (this.again) await this.negotiate();
  }

  /** The path is gone: look for another, with new credentials. */
  restart() {
    this.pc.restartIce();
    return this.negotiate();
  }

  #add(source) {
    const transceiver = addSource(this.pc, source);
    keepCodecs(transceiver, SOURCES[source].kind);
    this.slots.set(source, transceiver);
    this.encodings.set(source, new Encodings(transceiver.sender, source));
  }
}

/** The connection on which everybody else comes from the server. */
export class Down extends Connection {
  constructor(send) {
    super("down", send);
    this.connection = null; // the server's number for it, known from its first offer on
    this.queue = Promise.resolve();
  }

  /** Answer an offer of the server's, one after the other; `described` is dispatched when its tracks are there. */
  offer({ connection, number, sdp }) {
    this.connection = connection;
    this.queue = this.queue.then(() => this.#answer(number, sdp));
    return this.queue;
  }

  restart() {
    this.send({ type: "down-restart" });
  }

  async #answer(number, sdp) {
    if (this.closed) return;
    try {
      await this.pc.setRemoteDescription({ type: "offer", sdp });
      await this.pc.setLocalDescription();
    } catch (error) {
      if (!this.closed) this.dispatchEvent(new CustomEvent("refused", { detail: error }));
      return;
    }
    this.send({ type: "down-answer", number, sdp: this.pc.localDescription.sdp });
    this.release();
    this.dispatchEvent(new Event("described"));
  }
}

function keepCodecs(transceiver, kind) {
  const capabilities = RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];
  const ranked = CODECS[kind].flatMap((name) => capabilities.filter(({ mimeType }) => mimeType.toLowerCase() === name));
  try {
    if (ranked.length) transceiver.setCodecPreferences?.(ranked);
  } catch {
    // The answer takes what it knows in any case.
  }
}

/** A wish: browsers without it choose by the track's content hint. */
function preferDetail(parameters) {
  parameters.degradationPreference = "maintain-resolution";
  return true;
}

const FIRST_GAP = 3; // seconds between two restarts, doubling: Chromium takes two to find out about a new address
const LONGEST_GAP = 12;
const GRACE = 1; // seconds in which a disturbed path may heal alone

/** Restarts a connection whose path is gone, again and again with growing gaps, until it is back. */
export class Healer {
  constructor(connection, mayRestart) {
    Object.assign(this, { connection, mayRestart });
    this.gap = FIRST_GAP;
    this.timer = null;
    this.silent = false; // nothing comes although the browser still calls it connected
    connection.addEventListener("state", () => this.look());
  }

  /** Is the path gone, as far as we know? */
  get broken() {
    const { state } = this.connection;
    return state === "disconnected" || state === "failed" || (this.silent && state === "connected");
  }

  look() {
    const { state } = this.connection;
    if (state === "connected" && !this.silent) this.#rest();
    else if (state === "failed") this.#plan(0);
    else if (state === "disconnected") this.#plan(GRACE);
  }

  close() {
    clearTimeout(this.timer);
    this.connection.close();
  }

  /** Something came again. */
  alive() {
    this.silent = false;
    this.look();
  }

  /** The network changed, or signaling is back: try at once if the path is not there. */
  hurry() {
    if (!this.broken) return;
    this.#rest();
    this.#plan(0);
  }

  #rest() {
    clearTimeout(this.timer);
    this.timer = null;
    this.gap = FIRST_GAP;
  }

  #plan(seconds) {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => this.#restart(), seconds * 1000);
  }

  #restart() {
    this.timer = null;
    if (this.connection.closed || (this.connection.state === "connected" && !this.silent)) return;
    if (!this.mayRestart()) return; // `hurry` is called when signaling is back
    Promise.resolve(this.connection.restart()).catch(() => {});
    this.timer = setTimeout(() => this.#restart(), this.gap * 1000);
    this.gap = Math.min(LONGEST_GAP, this.gap * 2);
  }
}

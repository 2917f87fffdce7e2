/**
 * The person's own microphone, camera and loudspeaker: opened, chosen, turned off and on, and lost.
 *
 * A meeting works without any of them, so nothing here throws: a device that could not be opened is `none`, with its
 * trouble in words. Muting keeps the microphone open (it comes back at once); turning the camera off closes it, so
 * that its light goes out.
 * Leaves out: sending (`connections.js`), the screen (`sharing.js`).
 * Read next: `lobby.js`.
 */

import { recall, remember } from "./memory.js";
import { deviceTrouble } from "./trouble.js";

const KINDS = { microphone: "audio", camera: "video" };
const PICTURE = {
  width: { ideal: 1280, max: 1280 },
  height: { ideal: 720, max: 720 },
  frameRate: { ideal: 30, max: 30 },
};
const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** Events: `changed`; `lost` (detail `{kind, label}`: the device in use was unplugged); `found` (detail `{kind}`). */
export class Devices extends EventTarget {
  constructor() {
    super();
    this.microphone = { track: null, wanted: true, trouble: null, opening: false };
    this.camera = { track: null, wanted: true, trouble: null, opening: false };
    this.chosen = { microphone: recall("microphone"), camera: recall("camera"), speaker: recall("speaker") };
    this.lists = { microphone: [], camera: [], speaker: [] };
    this.replugged = () => this.#replugged();
    navigator.mediaDevices?.addEventListener?.("devicechange", this.replugged);
  }

  /** `on`, `muted` or `off`, or `none` when there is no such device to use. */
  state(kind) {
    const { track, wanted, trouble } = this[kind];
    if (kind === "microphone") return track ? (wanted ? "on" : "muted") : "none";
    return track ? "on" : trouble || wanted ? "none" : "off";
  }

  /** Open what is wanted: both at once (one question to the person), and if that fails each alone. */
  async open() {
    const kinds = Object.keys(KINDS).filter((kind) => this[kind].wanted && !this[kind].track && !this[kind].opening);
    for (const kind of kinds) this[kind].opening = true;
    this.#changed();
    if (!(await this.#openTogether(kinds))) for (const kind of kinds) await this.#openAlone(kind);
    for (const kind of kinds) this[kind].opening = false;
    this.#changed();
    this.refresh(); // not waited for: Firefox answers only when its window has the focus
  }

  /** Turn the microphone or the camera on or off; opens the device when there is none open. */
  async turn(kind, on) {
    const device = this[kind];
    device.wanted = on;
    device.trouble = null;
    if (kind === "microphone" && device.track) device.track.enabled = on;
    else if (!on) this.#close(kind);
    else if (!device.track && !device.opening) await this.#openMarked(kind);
    this.#changed();
  }

  /** Use another device from now on. */
  async choose(kind, id) {
    this.chosen[kind] = id;
    remember(kind, id);
    if (kind !== "speaker" && (this[kind].track || this[kind].trouble)) {
      this.#close(kind);
      await this.#openMarked(kind);
      await this.refresh();
    }
    this.#changed();
  }

  /** Read the lists of devices anew; their names are only told after a permission was given. */
  async refresh() {
    try {
      const all = await navigator.mediaDevices.enumerateDevices();
      const of = (kind) => all.filter((device) => device.kind === kind && device.deviceId);
      this.lists = { microphone: of("audioinput"), camera: of("videoinput"), speaker: of("audiooutput") };
    } catch {
      // Without a list the defaults still work.
    }
    this.#changed();
  }

  /** Close everything; the lights go out. */
  close() {
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.replugged);
    for (const kind of Object.keys(KINDS)) this.#close(kind);
  }

  async #openMarked(kind) {
    this[kind].opening = true;
    this.#changed();
    await this.#openAlone(kind);
    this[kind].opening = false;
  }

  async #openTogether(kinds) {
    if (kinds.length < 2) return false;
    try {
      const stream = await getUserMedia(
        Object.fromEntries(kinds.map((kind) => [KINDS[kind], this.#constraints(kind)])),
      );
      for (const kind of kinds) this.#take(kind, stream);
      return true;
    } catch (error) {
      // A person who just said no to both is not asked twice more, unless one of them was granted before.
      if (error.name !== "NotAllowedError") return false;
      const allowed = await Promise.all(kinds.map(permission));
      if (allowed.some((state) => state === "granted" || state === "unknown")) return false;
      for (const kind of kinds) this[kind].trouble = deviceTrouble(kind, error);
      return true;
    }
  }

  async #openAlone(kind) {
    try {
      this.#take(kind, await getUserMedia({ [KINDS[kind]]: this.#constraints(kind) }));
    } catch (error) {
      this[kind].trouble = deviceTrouble(kind, error);
    }
  }

  #constraints(kind) {
    const wishes = kind === "camera" ? PICTURE : SOUND;
    return this.chosen[kind] ? { ...wishes, deviceId: { ideal: this.chosen[kind] } } : wishes;
  }

  #take(kind, stream) {
    const device = this[kind];
    const [track] = kind === "camera" ? stream.getVideoTracks() : stream.getAudioTracks();
    if (kind === "camera" && !device.wanted) return track.stop(); // turned off while it was opening
    this.#close(kind);
    device.track = track;
    device.trouble = null;
    if (kind === "microphone") track.enabled = device.wanted;
    else track.contentHint = "motion";
    track.addEventListener("ended", () => device.track === track && this.#unplugged(kind));
  }

  #close(kind) {
    this[kind].track?.stop();
    this[kind].track = null;
  }

  async #unplugged(kind) {
    const { label } = this[kind].track;
    this.#close(kind);
    this.chosen[kind] = "";
    await this.#openMarked(kind);
    this.#changed();
    this.dispatchEvent(new CustomEvent("lost", { detail: { kind, label, replaced: this[kind].track?.label ?? null } }));
    this.refresh();
  }

  async #replugged() {
    const before = { ...this.lists };
    await this.refresh();
    this.#missSpeaker(before.speaker);
    for (const kind of Object.keys(KINDS)) {
      const missing = !this[kind].track && this[kind].trouble && this[kind].trouble.name !== "NotAllowedError";
      if (missing && this.lists[kind].length > before[kind].length)
        this.dispatchEvent(new CustomEvent("found", { detail: { kind } }));
    }
  }

  /** The chosen loudspeaker was unplugged: back to the default one, or nobody would be heard. */
  #missSpeaker(before) {
    const gone = before.find(({ deviceId }) => deviceId === this.chosen.speaker);
    if (!gone || this.lists.speaker.some(({ deviceId }) => deviceId === gone.deviceId)) return;
    this.chosen.speaker = "";
    this.#changed();
    const replaced = this.lists.speaker[0]?.label || "Default";
    this.dispatchEvent(new CustomEvent("lost", { detail: { kind: "speaker", label: gone.label, replaced } }));
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }
}

function getUserMedia(constraints) {
  if (!navigator.mediaDevices?.getUserMedia) return Promise.reject(new TypeError("no media devices here"));
  return navigator.mediaDevices.getUserMedia(constraints);
}

async function permission(kind) {
  try {
    return (await navigator.permissions.query({ name: kind })).state;
  } catch {
    return "unknown";
  }
}

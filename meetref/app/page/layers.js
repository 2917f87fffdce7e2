/**
 * What goes up of each source, and in how many encodings: a camera in three sizes and a screen in two, of which the
 * server forwards to everybody the one that fits.
 *
 * The server says which encodings anybody uses (`layers`); the others are switched off, so that nobody uploads what
 * nobody sees. Chromium makes three temporal layers of each (L1T3), Firefox as many as it likes.
 * Specification: W3C WebRTC 1.0 (sendEncodings, setParameters), W3C Scalable Video Coding; RFC 8853.
 * Leaves out: who gets which (the server's business).
 * Read next: `connections.js`.
 */

const TEMPORAL = "L1T3";

/**
 * Of three temporal layers the slowest takes two fifths, of two three: that one is to fit beside a voice on the
 * thinnest line, so the smallest picture may take more in all where there are three. Its keyframes are paid for sooner.
 */
const SMALLEST_OF_THREE = 120_000;

export const SOURCES = {
  microphone: { kind: "audio", encodings: [{}] },
  camera: {
    kind: "video",
    encodings: [
      { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 80_000, maxFramerate: 15 },
      { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 450_000, maxFramerate: 30 },
      { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_500_000, maxFramerate: 30 },
    ],
    temporal: true,
  },
  screen: {
    kind: "video",
    encodings: [
      { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 400_000, maxFramerate: 10 },
      { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 30 },
    ],
  },
  "screen-sound": { kind: "audio", encodings: [{ maxBitrate: 96_000 }] },
};

// A small picture is sent in fewer sizes, or Chromium would leave out the largest, which is the picture itself.
const SCALES = {
  camera: [
    { pixels: 960 * 540, scales: { q: 4, h: 2, f: 1 } },
    { pixels: 480 * 270, scales: { q: 2, h: 1 } },
    { pixels: 0, scales: { q: 1 } },
  ],
  screen: [
    { pixels: 480 * 270, scales: { h: 2, f: 1 } },
    { pixels: 0, scales: { h: 1 } },
  ],
};

/** How much smaller each encoding of a picture is, by its name; one that is not in it is not sent. */
export function scalesOf(source, { width, height } = {}) {
  const pixels = width && height ? width * height : Infinity;
  return SCALES[source]?.find((each) => pixels >= each.pixels).scales ?? null;
}

/** A transceiver that sends this source, in as many layers as the browser can. */
export function addSource(pc, source) {
  const { kind, encodings, temporal } = SOURCES[source];
  const add = (sendEncodings) => pc.addTransceiver(kind, { direction: "sendonly", sendEncodings });
  if (!temporal) return add(encodings);
  try {
    return add(encodings.map((encoding) => ({ ...encoding, scalabilityMode: TEMPORAL })));
  } catch {
    return add(encodings);
  }
}

/** The parameters of one sender: changes wait for each other, because each must begin with the newest. */
export class Encodings {
  constructor(sender, source) {
    Object.assign(this, { sender, source });
    this.active = null; // the names of those that the server uses; null: all, because it has not said
    this.scales = null; // how much smaller each is; null: as they were added
    this.queue = Promise.resolve();
  }

  /** Does anybody see any of it? */
  get used() {
    return this.active === null || this.active.length > 0;
  }

  /** Send these encodings and no others. One without a name is called "". */
  keep(active) {
    this.active = active;
    return this.apply();
  }

  /** The picture has this size from now on. */
  fit(settings) {
    this.scales = scalesOf(this.source, settings);
    return this.apply();
  }

  /** Have the sender do as the server and the picture want it. */
  apply() {
    return this.change(({ encodings }) => {
      let changed = false;
      for (const encoding of encodings ?? []) {
        const { rid = "" } = encoding;
        const scale = rid ? this.scales?.[rid] : undefined;
        const fits = !rid || this.scales === null || scale !== undefined;
        const wanted = { active: fits && (this.active?.includes(rid) ?? true) };
        if (scale !== undefined) wanted.scaleResolutionDownBy = scale;
        if (rid === "q" && encoding.scalabilityMode === TEMPORAL) wanted.maxBitrate = SMALLEST_OF_THREE;
        changed ||= Object.entries(wanted).some(([name, value]) => encoding[name] !== value);
        Object.assign(encoding, wanted);
      }
      return changed;
    });
  }

  /** Change the parameters by `edit`, which says whether it did. What a browser refuses stays as it is. */
  change(edit) {
    this.queue = this.queue
      .then(() => {
        const parameters = this.sender.getParameters();
        return edit(parameters) ? this.sender.setParameters(parameters) : undefined;
      })
      .catch(() => {});
    return this.queue;
  }
}

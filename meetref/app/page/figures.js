/**
 * Figures as they are read: bitrates, shares, sizes; and a list of them, each with its name above it.
 *
 * A figure is a `<data>` element: its `value` is the exact number, which is absent where there is none; then it reads as a
 * dash.
 * Read next: `xray.js`, `pairs.js` (octets and milliseconds).
 */

import { attribute, element, write } from "./elements.js";

const SPACE = "\u00a0"; // a figure and its unit stay on one line
const NONE = "–";

/** Bits a second in three digits. */
export function bitrate(bps) {
  if (bps === null || bps === undefined) return NONE;
  const [value, unit] = bps < 999_500 ? [bps / 1000, "kbit/s"] : [bps / 1e6, "Mbit/s"];
  const digits = value >= 99.95 || unit === "kbit/s" ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)}${SPACE}${unit}`;
}

/** A share from 0 to 1. */
export function percent(share) {
  if (share === null || share === undefined) return NONE;
  const value = share * 100;
  return `${value === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)}${SPACE}%`;
}

/** A picture: its pixels, and how many come in a second. */
export function size({ width, height, frameRate = null }) {
  if (!width) return NONE;
  return `${width}×${height}${frameRate === null ? "" : `, ${Math.round(frameRate)}/s`}`;
}

/** A whole number. */
export function count(value) {
  return value === null || value === undefined ? NONE : String(value);
}

/**
 * `new Figures([["bitrate", "Bitrate", bitrate], ...])`: a list whose `draw({bitrate: 1000})` says the values. A fourth
 * entry, "solid" or "dashed", is how the line that belongs to it is drawn.
 */
export class Figures {
  constructor(kinds) {
    this.kinds = kinds;
    this.cells = new Map(kinds.map(([name]) => [name, element("data", { test: `xray-${name}` })]));
    this.root = element(
      "dl",
      { class: "figures" },
      ...kinds.map(([name, label, , line]) =>
        element(
          "div",
          { class: `figure-${name}` },
          element("dt", { class: line ?? null }, label),
          element("dd", {}, this.cells.get(name)),
        ),
      ),
    );
  }

  draw(values) {
    for (const [name, , words] of this.kinds) {
      const value = values[name] ?? null;
      const cell = this.cells.get(name);
      write(cell, words(value));
      attribute(cell, "value", typeof value === "object" ? null : value);
    }
  }
}

/**
 * A line over the last minute, as SVG: the newest value is at the right, the scale begins at zero.
 *
 * The first line is filled; further ones are dashed. The scale ends at a round number above the largest value, and
 * does not follow every twitch. Drawn by setting attributes, a few times a second, whatever happens around it.
 * Read next: `xray.js`, `flows.js`.
 */

import { attribute, element, write } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";
const MINUTE = 60; // seconds
const WIDTH = 240;
const HEIGHT = 48;
const FLATTEST = 4; // times the first line

/** The next of 1, 2, 5, 10, 20, ... that is not below a value. */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/** Where the scale ends: above the first line, and above the others as far as that does not press the first one flat. */
export function scaleOf([first = [], ...others]) {
  const highest = (line) => Math.max(0, ...line.map(([, value]) => value));
  const own = highest(first);
  return roundUp(Math.max(1, own, Math.min(Math.max(0, ...others.map(highest)), own ? own * FLATTEST : Infinity)));
}

/** The points `[seconds ago, value]` of a line as an SVG path; closed down to zero when it is `filled`. */
export function pathOf(line, top, filled = false) {
  if (!line.length) return "";
  const x = (ago) => (WIDTH * (1 - ago / MINUTE)).toFixed(1);
  const y = (value) => (HEIGHT - 1 - (HEIGHT - 2) * Math.min(value / top, 1)).toFixed(1);
  const points = line.map(([ago, value]) => `${x(ago)} ${y(value)}`).join("L");
  return filled ? `M${x(line[0][0])} ${HEIGHT}L${points}L${x(line.at(-1)[0])} ${HEIGHT}Z` : `M${points}`;
}

export class Graph {
  /** `lines` is how many; `words` turns a value into text, and where it is given the scale is written beside it. */
  constructor({ label, lines = 1, words = null }) {
    Object.assign(this, { label, words });
    this.drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "graph-lines" });
    this.area = svg("path", { class: "area" });
    this.paths = Array.from({ length: lines }, (_, index) => svg("path", { class: `line line-${index}` }));
    this.drawing.append(this.area, ...this.paths);
    this.top = element("span", { class: "graph-top" });
    this.root = element("div", { class: "graph", role: "img" }, this.drawing, words && this.top);
  }

  /** One array of points for each line. */
  draw(lines) {
    const top = scaleOf(lines);
    attribute(this.area, "d", pathOf(lines[0] ?? [], top, true));
    this.paths.forEach((path, index) => attribute(path, "d", pathOf(lines[index] ?? [], top)));
    const [, newest] = lines[0]?.at(-1) ?? [];
    if (!this.words) {
      attribute(this.root, "aria-hidden", "true"); // the figures beside it say it
      return;
    }
    const something = top > 1; // a scale of nothing says nothing
    write(this.top, something ? this.words(top) : "");
    const nothing = newest === undefined || !something;
    const said = nothing ? "nothing yet" : `now ${this.words(newest)}, scale to ${this.words(top)}`;
    attribute(this.root, "aria-label", `${this.label} over the last minute: ${said}`);
  }
}

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

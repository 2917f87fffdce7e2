/**
 * The connection as a page of the panel: for each direction its state, its path, its keys, and its candidate pairs.
 *
 * Drawn whenever statistics were read, twice a second. Rows are kept and brought up to date, so that nothing flickers,
 * a reader keeps their place, and a selection stays.
 * Leaves out: what the figures mean (`pairs.js`, `stats.js`).
 * Read next: `pairs.js`, `panel.js`.
 */

import { attribute, element, write } from "./elements.js";
import { candidatePairs, kindWords, milliseconds, octets, pathWords } from "./pairs.js";
import { transport } from "./stats.js";

export const DIRECTIONS = { up: "What you send", down: "What you receive" };
const STATES = {
  new: "Not begun",
  connecting: "Looking for a path",
  connected: "Connected",
  disconnected: "Interrupted",
  failed: "No path found",
  closed: "Closed",
};
const SILENT = "not told by this browser";

/** The page of the panel. */
export class Paths {
  constructor(session) {
    this.session = session;
    this.paths = Object.keys(DIRECTIONS).map((direction) => new Path(session, direction));
    this.root = element(
      "div",
      { class: "page", id: "panel-connection", role: "tabpanel", "aria-label": "Connection" },
      element(
        "div",
        { class: "paths", tabindex: "0", role: "group", "aria-label": "Connection, up to date" },
        ...this.paths.map(({ root }) => root),
      ),
    );
  }

  draw() {
    for (const path of this.paths) path.draw();
  }
}

/** One of the two connections. */
class Path {
  constructor(session, direction) {
    Object.assign(this, { session, direction });
    this.rows = new Map();
    this.state = element("span", { class: "path-state", test: "path-state" });
    this.words = element("p", { class: "path-words", test: "path-words" });
    this.roundTrip = element("data", { test: "path-round-trip" });
    this.dtls = element("span", { test: "path-dtls" });
    this.srtp = element("span", { test: "path-srtp" });
    this.body = element("tbody", { role: "rowgroup" });
    this.none = element("p", { class: "no-pairs" }, "No candidate pairs yet");
    const title = element("h3", { id: `path-${direction}` }, DIRECTIONS[direction]);
    this.table = pairTable(`Candidate pairs: ${DIRECTIONS[direction].toLowerCase()}`, this.body);
    this.root = element(
      "section",
      { class: "path", test: "path", data: { direction }, "aria-labelledby": title.id },
      element("header", { class: "path-head" }, title, this.state),
      this.words,
      facts({ "Round trip": this.roundTrip, DTLS: this.dtls, SRTP: this.srtp }),
      this.table,
      this.none,
    );
  }

  draw() {
    const { session, direction } = this;
    const report = session.listener.reports[direction];
    const told = transport(direction, session[direction].pc, report);
    const pairs = candidatePairs(report);
    const used = pairs.find(({ selected }) => selected);
    const state = pathState(session[direction].state, session.healers[direction].silent);
    write(this.state, STATES[state] ?? state);
    attribute(this.state, "data-state", state);
    write(this.words, pathWords(used));
    figure(this.roundTrip, told.round_trip_time, milliseconds);
    writeName(this.dtls, [told.dtls, told.dtls_cipher].filter(Boolean).join(", ") || SILENT);
    writeName(this.srtp, told.srtp_profile ?? SILENT);
    this.table.hidden = !pairs.length;
    this.none.hidden = pairs.length > 0;
    this.#list(pairs);
  }

  #list(pairs) {
    const there = new Set(pairs.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (there.has(id)) continue;
      row.root.remove();
      this.rows.delete(id);
    }
    pairs.forEach((pair, index) => {
      if (!this.rows.has(pair.id)) this.rows.set(pair.id, new Row());
      const { root } = this.rows.get(pair.id);
      if (this.body.children[index] !== root) this.body.insertBefore(root, this.body.children[index] ?? null);
      this.rows.get(pair.id).draw(pair);
    });
  }
}

/** One candidate pair: its two ends, and below them its figures in the columns of the table. */
class Row {
  constructor() {
    this.local = element("span", { class: "end", test: "pair-local" });
    this.remote = element("span", { class: "end remote", test: "pair-remote" });
    this.used = element("span", { class: "tag used", test: "pair-selected" }, "In use");
    this.nominated = element("span", { class: "tag", test: "pair-nominated" }, "Nominated");
    this.state = element("td", { class: "words", role: "cell", test: "pair-state" });
    this.roundTrip = element("data", { test: "pair-round-trip" });
    this.sent = element("data", { test: "pair-sent" });
    this.received = element("data", { test: "pair-received" });
    const tags = element("span", { class: "tags" }, this.used, " ", this.nominated);
    const to = element("span", { class: "hidden-words" }, " to ");
    const ends = element("span", { class: "ends" }, this.local, to, this.remote);
    this.root = element(
      "tr",
      { class: "pair", role: "row", test: "pair" },
      element("th", { scope: "row", role: "rowheader" }, ends, tags),
      this.state,
      ...[this.roundTrip, this.sent, this.received].map((each) => element("td", { role: "cell" }, each)),
    );
  }

  draw(pair) {
    attribute(this.root, "data-state", pair.state);
    attribute(this.root, "data-selected", String(pair.selected));
    write(this.local, end(pair.local));
    write(this.remote, end(pair.remote));
    write(this.state, pair.words);
    this.used.hidden = !pair.selected;
    this.nominated.hidden = !pair.nominated;
    figure(this.roundTrip, pair.roundTrip, milliseconds);
    figure(this.sent, pair.sent, octets);
    figure(this.received, pair.received, octets);
  }
}

/** With their roles said once more: laid out as a grid, a table may be none any more for a screen reader. */
function pairTable(caption, body) {
  const heads = ["Pair", "State", "Round trip", "Sent", "Received"].map((words, index) =>
    element("th", { scope: "col", role: "columnheader", class: index ? null : "hidden-words" }, words),
  );
  return element(
    "table",
    { class: "pairs", role: "table", "aria-label": caption },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)),
    body,
  );
}

/** The browser's word, until the page has noticed before it that nothing comes any more. */
function pathState(state, silent) {
  return silent && state === "connected" ? "disconnected" : state;
}

function facts(entries) {
  const rows = Object.entries(entries).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  return element("dl", { class: "fact" }, ...rows);
}

/** A figure as it is read, and in `value` as it was measured. */
function figure(node, value, words) {
  write(node, words(value));
  attribute(node, "value", value);
}

function end(candidate) {
  return `${kindWords(candidate)} ${candidate.address ?? "address hidden"}`;
}

/** The names of ciphers are one long word: they may be broken behind an underscore. */
function writeName(node, text) {
  if (node.textContent === text) return;
  node.replaceChildren(...text.split(/(?<=_)/u).flatMap((part) => [part, element("wbr")]));
}

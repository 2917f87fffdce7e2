/**
 * The rows of the X-ray: one for a direction, a stream, a seat, a person; and the tree of the server's tasks.
 *
 * A row is made once and told everything again and again (`draw`), so that nothing flickers and what is unfolded stays so.
 * Leaves out: where the figures come from (`xray.js`).
 * Read next: `figures.js`, `graph.js`.
 */

import { barsMark } from "./bars.js";
import { attribute, element, write } from "./elements.js";
import { bitrate, count, Figures, percent, size } from "./figures.js";
import { Graph } from "./graph.js";
import { milliseconds, octets } from "./pairs.js";
import { bitrateOf } from "./serverlook.js";

const words = (text) => text ?? "–";
const queue = (pacer) => (pacer ? octets(pacer.queue_bytes ?? null) : "–");

/** Rows by key, in order; `make()` gives one. */
export class Rows {
  constructor(make) {
    this.make = make;
    this.rows = new Map();
    this.none = element("p", { class: "nothing" }, "Nothing yet");
    this.list = element("ul", { class: "xray-rows" });
    this.root = element("div", {}, this.list, this.none);
  }

  draw(entries) {
    const there = new Set(entries.map(({ key }) => key));
    for (const [key, row] of this.rows) {
      if (there.has(key)) continue;
      row.root.remove();
      this.rows.delete(key);
    }
    entries.forEach((entry, index) => {
      if (!this.rows.has(entry.key)) this.rows.set(entry.key, this.make());
      const row = this.rows.get(entry.key);
      if (this.list.children[index] !== row.root) this.list.insertBefore(row.root, this.list.children[index] ?? null);
      row.draw(entry);
    });
    this.none.hidden = entries.length > 0;
  }
}

/** One direction: its bitrate large, and a minute of it. */
export function linkRow(direction, title) {
  const rate = element("data", { class: "large-figure", test: "xray-total" });
  const state = element("span", { class: "link-state" });
  const graph = new Graph({ label: `Bitrate of what ${title.toLowerCase()}`, lines: 2, words: bitrate });
  const kinds = [
    ["round-trip", "Round trip", milliseconds],
    ["loss", "Loss", percent],
    ["estimate", "Estimate", bitrate, "dashed"],
  ];
  if (direction === "down") kinds.push(["queue", "Pacer queue", queue]);
  const figures = new Figures(kinds);
  const root = element(
    "section",
    { class: "xray-link", test: "xray-link", data: { direction } },
    element("header", {}, element("h3", {}, title), state, rate),
    graph.root,
    figures.root,
  );
  const draw = (link) => {
    write(rate, bitrate(link.bitrate));
    attribute(rate, "value", link.bitrate ?? null);
    write(state, link.state && link.state !== "normal" ? link.state : "");
    figures.draw({ ...link, "round-trip": link.roundTrip });
    graph.draw(link.lines);
  };
  return { root, draw };
}

/** One encoding that one sends. */
export function sentRow() {
  return flowRow("xray-sent", [
    ["size", "Picture", (flow) => size(flow ?? {})],
    ["bitrate", "Bitrate", bitrate],
    ["target", "Target", bitrate],
    ["loss", "Loss", percent],
    ["round-trip", "Round trip", milliseconds],
    ["seats", "In seats", count],
  ]);
}

/** One seat of one's own. */
export function seatRow() {
  return flowRow("xray-seat", [
    ["size", "Picture", (flow) => size(flow ?? {})],
    ["layer", "Layer", words],
    ["bitrate", "Bitrate", bitrate],
    ["loss", "Loss", percent],
    ["delay", "Held back", milliseconds],
    ["freezes", "Freezes", count],
  ]);
}

/** A stream: who or what, a line, figures, and why it is as it is. */
function flowRow(test, kinds) {
  const title = element("span", { class: "flow-title", test: "xray-name" });
  const tags = element("span", { class: "flow-tags" });
  const why = element("span", { class: "flow-why", test: "xray-why" });
  const graph = new Graph({ label: "" });
  const figures = new Figures(kinds);
  const head = element("div", { class: "flow-head" }, title, tags, why);
  const root = element("li", { class: "flow", data: { test } }, head, graph.root, figures.root);
  const draw = (entry) => {
    write(title, entry.title);
    writeTags(tags, entry.tags);
    write(why, entry.why);
    why.hidden = !entry.why;
    root.classList.toggle("sound", entry.sound);
    Object.assign(root.dataset, entry.data);
    graph.draw(entry.lines);
    figures.draw(entry.values);
  };
  return { root, draw };
}

/** One person, as the server sees them; their streams can be unfolded. */
export function personRow() {
  const title = element("span", { class: "flow-title", test: "xray-name" });
  const tags = element("span", { class: "flow-tags" });
  const bars = barsMark();
  const graph = new Graph({ label: "", lines: 2 });
  const figures = new Figures([
    ["sends", "Sends", bitrate, "solid"],
    ["loss", "Loss", percent],
    ["round-trip", "Round trip", milliseconds],
    ["receives", "Receives", bitrate, "dashed"],
    ["estimate", "Estimate", bitrate],
    ["queue", "Pacer queue", queue],
  ]);
  const streams = element("ul", { class: "streams" });
  const root = element(
    "li",
    { class: "flow", test: "xray-person" },
    element("div", { class: "flow-head" }, title, bars.node, tags),
    graph.root,
    figures.root,
    element("details", {}, element("summary", {}, "Streams"), streams),
  );
  const draw = ({ title: name, tags: said, data, person, lines, name: nameOf }) => {
    const { up, down } = person;
    write(title, name);
    writeTags(tags, said);
    bars.show(person.bars);
    Object.assign(root.dataset, data);
    graph.draw(lines);
    figures.draw({
      sends: up && bitrateOf(up),
      loss: up && worst(up),
      "round-trip": up?.round_trip_time ?? down?.round_trip_time ?? null,
      receives: down?.bitrate_bps ?? null,
      estimate: down?.estimate?.target_bps ?? null,
      queue: down?.pacer ?? null,
    });
    writeLines(streams, [...sentLines(up), ...seatLines(down, nameOf)]);
  };
  return { root, draw };
}

/** The largest loss of somebody's streams. */
function worst({ sources }) {
  const losses = sources.flatMap(({ encodings }) => encodings.map(({ loss }) => loss)).filter((loss) => loss !== null);
  return losses.length ? Math.max(...losses) : null;
}

function sentLines(up) {
  return (up?.sources ?? []).flatMap(({ source, encodings }) =>
    encodings.map((each) =>
      [
        `Sends ${source}${each.rid ? ` ${each.rid}` : ""}`,
        each.living ? "" : each.active ? "nothing comes" : "switched off",
        each.width ? size({ width: each.width, height: each.height, frameRate: each.frame_rate }) : "",
        each.bitrate_bps === null ? "" : bitrate(each.bitrate_bps),
        each.loss === null ? "" : `loss ${percent(each.loss)}`,
        `in ${each.seats} ${each.seats === 1 ? "seat" : "seats"}`,
        each.waiting ? `${each.waiting} waiting` : "",
      ]
        .filter(Boolean)
        .join(", "),
    ),
  );
}

function seatLines(down, nameOf) {
  return (down?.seats ?? []).map((seat) => {
    const who = `${nameOf(seat.person)}${seat.source === "screen" ? "'s screen" : ""}`;
    const flow = seat.video ?? seat.audio;
    return [
      `Seat ${seat.seat} has ${who}`,
      seat.video ? (seat.video.layer ?? "no picture yet") : "only heard",
      flow?.bitrate_bps == null ? "" : bitrate(flow.bitrate_bps),
      seat.reason ?? seat.video?.why ?? "",
    ]
      .filter(Boolean)
      .join(", ");
  });
}

/** The server's tasks, as they own each other. */
export class Tasks {
  constructor() {
    this.root = element("div", { class: "tasks", test: "xray-tasks" }, element("p", { class: "nothing" }, "Not told"));
    this.text = "";
  }

  draw(tasks) {
    const text = JSON.stringify(tasks);
    if (!tasks || text === this.text) return;
    this.text = text;
    this.root.replaceChildren(branch(tasks));
  }
}

function branch(nodes) {
  return element(
    "ul",
    {},
    ...nodes.map(({ name, children }) =>
      element("li", {}, element("span", {}, name), children.length ? branch(children) : null),
    ),
  );
}

function writeTags(node, tags) {
  const texts = tags.filter(Boolean);
  writeLines(node, texts, "span");
}

/** One child for each text; only those that changed are written. */
function writeLines(node, texts, tag = "li") {
  while (node.children.length > texts.length) node.lastElementChild.remove();
  while (node.children.length < texts.length) node.append(element(tag));
  texts.forEach((text, index) => write(node.children[index], text));
}

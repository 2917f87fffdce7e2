/**
 * X-ray, a page of the panel: what every stream of this meeting does now, as the browser and the server measure it.
 *
 * From the top: both directions of one's own with a minute of their bitrates; what one sends, encoding by encoding; one's
 * seats, with the layer in each and why it is that one; everybody, as the server sees them; the server's tasks. Rows are
 * kept and brought up to date, once a second. The browser's side is measured from the beginning, so that there is a
 * minute to see when the page is opened; the server is asked only while it is open.
 * Leaves out: rates (`flows.js`), asking (`serverlook.js`), what a row looks like (`xrayrows.js`).
 * Read next: `xrayrows.js`, docs/xray.md.
 */

import { element } from "./elements.js";
import { Flows } from "./flows.js";
import { ServerLook } from "./serverlook.js";
import { linkRow, personRow, Rows, seatRow, sentRow, Tasks } from "./xrayrows.js";

const SOURCES = { microphone: "Microphone", camera: "Camera", screen: "Screen", "screen-sound": "Sound of the screen" };

export class XRay {
  constructor(session) {
    this.session = session;
    this.flows = new Flows();
    this.server = new ServerLook({ room: session.room, history: this.flows.history });
    this.links = { up: linkRow("up", "You send"), down: linkRow("down", "You receive") };
    this.sent = new Rows(sentRow);
    this.seats = new Rows(seatRow);
    this.people = new Rows(personRow);
    this.tasks = new Tasks();
    this.refusal = this.#refusal();
    this.scroll = element(
      "div",
      { class: "xray", test: "xray", tabindex: "0", role: "group", "aria-label": "X-ray, up to date" },
      element("div", { class: "xray-links" }, this.links.up.root, this.links.down.root),
      section("What you send", this.sent.root),
      section("Your seats", this.seats.root),
      section("Everybody, as the server sees them", this.refusal, this.people.root),
      section("What the server is doing", this.tasks.root),
    );
    this.root = element(
      "div",
      { class: "page", id: "panel-xray", role: "tabpanel", "aria-label": "X-ray", hidden: true },
      this.scroll,
    );
    session.addEventListener("measured", () => this.#measure());
    this.server.addEventListener("changed", () => this.#drawAll());
  }

  /** The page is shown, or hidden. */
  set open(open) {
    if (open) this.server.open();
    else this.server.close();
  }

  close() {
    this.server.close();
  }

  draw() {
    this.#drawAll();
  }

  #measure() {
    const { listener, down } = this.session;
    const mids = new Map(down.pc.getTransceivers().map(({ mid, receiver }) => [receiver.track.id, mid]));
    this.flows.read(listener.reports, mids, this.server.clock());
  }

  #drawAll() {
    if (this.root.hidden) return;
    const { flows, server, session } = this;
    const now = server.clock();
    const line = (name) => flows.history.line(name, now);
    const me = server.person(session.identity?.participant);
    const estimate = me?.down?.estimate ?? null;
    this.links.up.draw({
      ...flows.links.up,
      lines: [line("up"), line("up estimate")],
    });
    this.links.down.draw({
      ...flows.links.down,
      estimate: estimate?.target_bps ?? null,
      state: estimate?.state ?? null,
      queue: me?.down?.pacer ?? null,
      lines: [line("down"), me ? line(`${me.id} estimate`) : []],
    });
    this.sent.draw(this.#allSent(me, line));
    this.seats.draw([...session.seats.all.values()].filter(isTaken).map((seat) => this.#seatOf(seat, me, line)));
    this.people.draw((server.seen?.people ?? []).map((person) => this.#personOf(person, line)));
    this.refusal.hidden = !server.refused;
    this.tasks.draw(server.tasks);
  }

  /** All that one sends, source by source, the smallest encoding first. */
  #allSent(me, line) {
    const rows = this.flows.sent.map((flow) => this.#sentOf(flow, me, line(flow.name)));
    return rows.sort((one, other) => one.order[0] - other.order[0] || one.order[1] - other.order[1]);
  }

  /** One encoding of one's own: what the browser sends, and what the server makes of it. */
  #sentOf(flow, me, line) {
    const slots = [...this.session.up.slots];
    const place = slots.findIndex(([, { mid }]) => mid === flow.mid);
    const source = slots[place]?.[0] ?? flow.kind;
    const encodings = me?.up?.sources.find(({ mid }) => mid === flow.mid)?.encodings ?? [];
    const index = Math.max(encodings.findIndex(({ rid }) => rid === (flow.rid ?? "")), 0);
    const encoding = encodings[index];
    const off = flow.kind === "video" && (!flow.active || encoding?.active === false);
    return {
      key: flow.name,
      order: [place, encodings.length ? index : flow.pixels],
      sound: flow.kind === "audio",
      title: SOURCES[source] ?? source,
      tags: [flow.rid, off && "switched off"],
      values: {
        bitrate: flow.bitrate,
        target: flow.target,
        loss: encoding?.loss ?? flow.loss,
        "round-trip": flow.roundTrip ?? this.flows.links.up?.roundTrip,
        size: flow,
        seats: encoding?.seats ?? null,
      },
      why: !off && flow.limited && flow.limited !== "none" ? `limited by ${flow.limited}` : "",
      lines: [line],
    };
  }

  /** One seat: what comes in it, and why. */
  #seatOf(seat, me, line) {
    const { person: id, source } = seat.occupant;
    const person = this.session.people.get(id);
    const video = this.flows.received.get(seat.video) ?? null;
    const audio = this.flows.received.get(seat.audio) ?? null;
    const told = me?.down?.seats.find((each) => each.seat === seat.number);
    const main = video ?? audio;
    return {
      key: String(seat.number),
      data: { seat: seat.number, person: id },
      sound: video === null,
      title: `${person?.name ?? "Somebody"}${source === "screen" ? "'s screen" : ""}`,
      tags: [`Seat ${seat.number}`, told?.rank === "rest" ? null : told?.rank, seat.video === null && "only heard"],
      values: {
        layer: told?.video?.layer ?? seat.layer,
        size: video,
        bitrate: sum(video?.bitrate, audio?.bitrate),
        loss: main?.loss ?? null,
        delay: main?.delay ?? null,
        freezes: video?.freezes ?? null,
      },
      why: seat.paused ?? told?.video?.why ?? "",
      lines: [main ? line(main.name) : []],
    };
  }

  #personOf(person, line) {
    const { identity } = this.session;
    return {
      key: person.id,
      data: { person: person.id },
      title: person.name,
      tags: [person.id === identity?.participant && "You", person.bot && "Bot"],
      person,
      name: (id) => this.session.people.get(id)?.name ?? "somebody",
      lines: [line(`${person.id} up`), line(`${person.id} down`)],
    };
  }

  #refusal() {
    const field = element("input", {
      class: "field-text",
      type: "password",
      test: "admin-token",
      autocomplete: "off",
      "aria-label": "Admin token",
      placeholder: "Admin token",
    });
    const submit = (event) => {
      event.preventDefault();
      this.server.use(field.value);
    };
    return element(
      "form",
      { class: "refusal", test: "xray-refused", hidden: true, on: { submit } },
      element("p", {}, "The server tells its side on its own machine, elsewhere only to who has its admin token."),
      field,
      element("button", { class: "button" }, "Look"),
    );
  }
}

const isTaken = ({ occupant, audio, video }) => occupant !== null && (audio !== null || video !== null);

function sum(...rates) {
  const known = rates.filter((rate) => rate !== null && rate !== undefined);
  return known.length ? known.reduce((all, each) => all + each, 0) : null;
}

function section(title, ...children) {
  const head = element("h3", {}, title);
  return element("section", { class: "xray-section" }, head, ...children);
}

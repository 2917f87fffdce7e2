/**
 * The stage: which tiles there are, and where each one stands.
 *
 * First comes one's own tile, then everybody in the order of their seats, so that nobody moves when somebody comes; a
 * person who changes seats takes the tile of the new one. Who has no seat with a picture gets a tile with an avatar. A
 * shared screen takes the middle.
 * Leaves out: arithmetic (`layout.js`), what a tile looks like (`tiles.js`).
 * Read next: `layout.js`, `seats.js`.
 */

import { attribute, element, write } from "./elements.js";
import { duet, grid, spotlight } from "./layout.js";
import { pauseReason } from "./state.js";
import { Tile, watchFrames } from "./tiles.js";

const MOST = 25; // tiles in the grid
const WORDS_AFTER = 2.5; // seconds before a missing picture is spoken of
const REASONS = {
  "no seat": "",
  "no frames": "Paused",
  reconnecting: "Reconnecting …",
  "waiting for the first frame": "Waiting for the picture …",
};

export class Stage {
  constructor(session) {
    this.session = session;
    this.tiles = new Map();
    this.more = element("div", { class: "tile more", test: "more", hidden: true });
    this.field = element("div", { class: "field" }, this.more);
    this.root = element("main", { class: "stage", test: "stage", "aria-label": "People in the meeting" }, this.field);
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.root);
  }

  close() {
    this.observer.disconnect();
    for (const { tile } of this.tiles.values()) tile.play(null);
  }

  /** Bring every tile up to date: after any change of people, seats, devices or speech. */
  update() {
    const wanted = this.#wanted();
    const keys = wanted.map(({ key }) => key).join(" ");
    for (const [key, { tile }] of this.tiles) {
      if (wanted.some((entry) => entry.key === key)) continue;
      tile.play(null);
      tile.root.remove();
      this.tiles.delete(key);
    }
    for (const entry of wanted) entry.show(this.#tile(entry));
    if (keys === this.keys) return;
    this.keys = keys;
    this.order = wanted;
    this.arrange();
  }

  /** Place the tiles that there are on the stage as it is now. */
  arrange() {
    const { clientWidth, clientHeight } = this.root;
    if (!this.order?.length || !clientWidth) return;
    const phone = clientWidth < 640;
    const gap = phone ? 8 : 12;
    const edge = phone ? 8 : 16;
    const area = { x: edge, y: edge, width: clientWidth - 2 * edge, height: clientHeight - 2 * edge };
    const large = this.order.find(({ screen }) => screen);
    const rest = this.order.filter((entry) => entry !== large);
    const plan = large ? spotlight(rest.length, area, gap) : this.#plan(rest, area, gap);
    if (large) this.#place(large, plan.main);
    const shown = plan.shown ?? (rest.length > MOST ? MOST - 1 : rest.length);
    rest.forEach((entry, index) => this.#place(entry, index < shown ? plan.tiles[index] : null));
    this.#placeMore(rest.length - shown, plan.tiles[shown]);
    this.field.style.height = `${Math.max(clientHeight, plan.height + 2 * edge)}px`;
  }

  #plan(rest, area, gap) {
    if (rest.length !== 2 || rest[0].key !== "me" || area.width < area.height * 1.2)
      return grid(Math.min(MOST, rest.length), area, gap);
    const { tiles, height } = duet(area, gap);
    return { tiles: tiles.reverse(), height };
  }

  #place(entry, rectangle) {
    const { tile } = this.tiles.get(entry.key);
    tile.root.hidden = !rectangle;
    if (!rectangle) return;
    const floating = entry.key === "me" && this.order.length === 2 && rectangle.width < this.root.clientWidth * 0.4;
    tile.root.classList.toggle("floating", floating);
    tile.root.classList.toggle("large", Boolean(entry.screen));
    tile.place(rectangle);
  }

  #placeMore(count, rectangle) {
    this.more.hidden = !(count > 0 && rectangle);
    if (this.more.hidden) return;
    write(this.more, `+${count}`);
    attribute(this.more, "aria-label", `and ${count} more`);
    Tile.prototype.place.call({ root: this.more }, rectangle);
  }

  #tile(entry) {
    const known = this.tiles.get(entry.key);
    if (known) return known.tile;
    const tile = new Tile(entry.look);
    this.tiles.set(entry.key, { tile });
    this.field.append(tile.root);
    return tile;
  }

  /** What should be on the stage, in order: `{key, look, show(tile), screen}`. */
  #wanted() {
    const { session } = this;
    const shown = ({ occupant, video }) => occupant && video !== null && this.#sends(occupant);
    const seats = [...session.seats.all.values()].filter(shown);
    seats.sort((one, other) => one.number - other.number);
    const seated = new Set(
      seats.filter(({ occupant }) => occupant.source === "camera").map(({ occupant }) => occupant.person),
    );
    const others = session.others.filter(({ id }) => !seated.has(id));
    const own = [this.#own()];
    if (session.sharing.active) own.push(this.#ownScreen());
    const screens = seats.filter(({ occupant }) => occupant.source === "screen");
    const faces = seats.filter(({ occupant }) => occupant.source !== "screen");
    return [
      ...screens.map((seat) => this.#seat(seat)),
      ...own,
      ...faces.map((seat) => this.#seat(seat)),
      ...others.map((person) => this.#standing(person)),
    ];
  }

  /** Is this person here, and still sharing if it is about a screen? */
  #sends({ person, source }) {
    const about = this.session.people.get(person);
    return about !== undefined && (source !== "screen" || about.screen);
  }

  #own() {
    const { session } = this;
    const { track } = session.devices.camera;
    return {
      key: "me",
      look: { test: "self", mirrored: true },
      show: (tile) => {
        tile.play(track);
        tile.show({ ...this.#about(session.self), name: `${session.self.name} (you)`, picture: Boolean(track) });
      },
    };
  }

  #ownScreen() {
    const { session } = this;
    return {
      key: "my-screen",
      look: { test: "own-screen", fitted: true },
      show: (tile) => {
        tile.play(session.sharing.video);
        tile.show({ id: session.self.id, name: "Your screen", muted: false, speaking: false, picture: true });
      },
    };
  }

  #standing(person) {
    return {
      key: `person-${person.id}`,
      look: { test: "seat" },
      show: (tile) => tile.show({ ...this.#about(person), picture: false }),
    };
  }

  #seat(seat) {
    const { person: id, source } = seat.occupant;
    const screen = source === "screen";
    return {
      key: `seat-${seat.number}-${source}`,
      screen,
      look: { test: "seat", fitted: screen },
      show: (tile) => this.#showSeat(tile, seat, this.session.people.get(id), screen),
    };
  }

  #showSeat(tile, seat, person, screen) {
    const { session } = this;
    const on = screen || person.camera === "on";
    tile.play(seat.receivers.video?.track ?? null);
    if (on && !seat.begun && tile.watched !== seat.episode) {
      const { episode } = seat;
      tile.watched = episode;
      watchFrames(tile.video, (timestamp) => {
        if (seat.episode !== episode) return true;
        const begun = seat.presented(timestamp, session.seats.clock());
        if (begun) this.update();
        return begun;
      });
    }
    const now = session.seats.clock();
    const late = on && !seat.flows(now) && now - seat.awaitedAt > WORDS_AFTER;
    const about = this.#about(person);
    tile.show({
      ...about,
      ...(screen ? { name: `${person.name}'s screen`, muted: false, speaking: false } : {}),
      seat: seat.number,
      picture: on && seat.begun,
      words: late ? REASONS[pauseReason(session, seat)] : "",
    });
    tile.root.classList.toggle("paused", late && seat.begun);
  }

  #about(person) {
    const { listener } = this.session;
    return {
      id: person.id,
      name: person.name,
      muted: person.microphone !== "on",
      speaking: listener.speaking(person.id),
    };
  }
}

/**
 * What should be on the stage now, in order: one's own tiles, those whom the server seated, and who has no seat.
 *
 * A sight is `{key, look, show(tile), own, large, source}`. It is told by the session, and tells a tile everything that
 * is shown on it. Everybody keeps the order of the seats, so that nobody moves when somebody comes.
 * Leaves out: where tiles stand (`stage.js`), what a tile looks like (`tiles.js`).
 * Read next: `stage.js`, `view.js`, `seats.js`.
 */

import { pauseReason } from "./state.js";
import { watchFrames } from "./tiles.js";

const WORDS_AFTER = 2.5; // seconds before a missing picture is spoken of
const REASONS = {
  "no seat": "",
  "no frames": "Paused",
  reconnecting: "Reconnecting …",
  "waiting for the first frame": "Waiting for the picture …",
};

/** All sights of a session; `redraw` is called when one has to be shown again. */
export class Sights {
  constructor(session, redraw) {
    Object.assign(this, { session, redraw });
  }

  all() {
    const { session } = this;
    const { large, pages } = session.view.seated;
    const seats = [...session.seats.all.values()].filter(
      ({ occupant, video }) => occupant && video !== null && this.#sends(occupant),
    );
    seats.sort((one, other) => one.number - other.number);
    const screens = seats.filter(({ occupant }) => occupant.source === "screen");
    const faces = seats.filter(({ occupant }) => occupant.source !== "screen");
    const seated = new Set(faces.map(({ occupant }) => occupant.person));
    // With more than one page, those without a seat are on another one.
    const standing = pages > 1 ? [] : session.others.filter(({ id }) => !seated.has(id));
    const own = session.sharing.active ? [this.#own(), this.#ownScreen()] : [this.#own()];
    return [
      ...screens.map((seat) => this.#seat(seat, seat.number === large)),
      ...own,
      ...faces.map((seat) => this.#seat(seat, seat.number === large)),
      ...standing.map((person) => this.#standing(person)),
    ];
  }

  /** How many people and screens there are beside one's own. */
  get others() {
    const { others } = this.session;
    return others.length + others.filter(({ screen }) => screen).length;
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
      own: true,
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
      own: true,
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
      show: (tile) => tile.show({ ...this.#about(person), ...this.#pin(person, "camera"), picture: false }),
    };
  }

  #seat(seat, large) {
    const { person: id, source } = seat.occupant;
    return {
      key: `seat-${seat.number}-${source}`,
      large,
      source,
      look: { test: "seat", fitted: source === "screen" },
      show: (tile) => this.#showSeat(tile, seat, this.session.people.get(id), source),
    };
  }

  #showSeat(tile, seat, person, source) {
    const { session } = this;
    const screen = source === "screen";
    const on = screen || person.camera === "on";
    tile.play(seat.receivers.video?.track ?? null);
    if (on) this.#watch(tile, seat);
    const now = session.seats.clock();
    const held = on && seat.paused !== null;
    const late = on && !seat.flows(now) && now - seat.awaitedAt > WORDS_AFTER;
    const reason = held || late ? pauseReason(session, seat) : "";
    tile.show({
      ...this.#about(person),
      ...(screen ? { name: `${person.name}'s screen`, muted: false, speaking: false, bars: null } : {}),
      ...this.#pin(person, source),
      seat: seat.number,
      picture: on && seat.begun,
      words: REASONS[reason] ?? sentence(reason),
    });
    tile.root.classList.toggle("paused", (held || late) && seat.begun);
  }

  /** Look for the first frame that belongs to whom is shown now. */
  #watch(tile, seat) {
    const { episode } = seat;
    if (seat.begun || tile.watched === episode) return;
    tile.watched = episode;
    watchFrames(tile.video, (timestamp) => {
      if (seat.episode !== episode) return true;
      const begun = seat.presented(timestamp, this.session.seats.clock());
      if (begun) this.redraw();
      return begun;
    });
  }

  #pin(person, source) {
    const { view } = this.session;
    return { pinned: view.isPinned(person.id, source), pin: () => view.pin(person.id, source) };
  }

  #about(person) {
    const { listener, view } = this.session;
    return {
      id: person.id,
      name: person.name,
      muted: person.microphone !== "on",
      speaking: listener.speaking(person.id),
      bars: view.bars.get(person.id) ?? null,
    };
  }
}

/** A reason of the server's, as it stands alone on a tile. */
function sentence(reason) {
  return reason.charAt(0).toUpperCase() + reason.slice(1);
}

/**
 * The stage: where each tile stands, and what that means for the server.
 *
 * All tiles are alike in a grid; a shared screen, who is pinned, or in the speaker's view who speaks, is large, and the
 * others stand in a strip. How many tiles fit and how tall they are is told to the view, which tells the server; those
 * beyond come on other pages. Tiles move, they are not made anew, when somebody becomes large.
 * Leaves out: who is seen (`sights.js`), arithmetic (`layout.js`), what a tile looks like (`tiles.js`).
 * Read next: `layout.js`, `sights.js`.
 */

import { attribute, element, write } from "./elements.js";
import { duet, grid, gridRoom, spotlight, stripRoom } from "./layout.js";
import { Pager } from "./pager.js";
import { Sights } from "./sights.js";
import { Tile } from "./tiles.js";
import { MOST_TILES } from "./view.js";

const PAGER = 52; // pixels below the tiles for the arrows

export class Stage {
  constructor(session) {
    this.session = session;
    this.sights = new Sights(session, () => this.update());
    this.tiles = new Map();
    this.pager = new Pager(session.view);
    this.more = element("div", { class: "tile more", test: "more", hidden: true });
    this.field = element("div", { class: "field" }, this.more);
    this.root = element(
      "main",
      { class: "stage", test: "stage", "aria-label": "People in the meeting" },
      this.field,
      this.pager.root,
    );
    this.pager.swipe(this.root);
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.root);
  }

  close() {
    this.observer.disconnect();
    for (const { tile } of this.tiles.values()) tile.play(null);
  }

  /** Bring every tile up to date: after any change of people, seats, devices or speech. */
  update() {
    const wanted = this.sights.all();
    for (const [key, { tile }] of this.tiles) {
      if (wanted.some((entry) => entry.key === key)) continue;
      tile.play(null);
      tile.root.remove();
      this.tiles.delete(key);
    }
    for (const entry of wanted) entry.show(this.#tile(entry));
    this.pager.draw();
    const { layout, pinned, seated } = this.session.view;
    const keys = wanted.map(({ key, large }) => (large ? `${key}!` : key)).join(" ");
    const scene = [keys, layout, pinned.length, seated.pages, this.sights.others].join();
    if (scene === this.scene) return;
    this.scene = scene;
    this.order = wanted;
    this.arrange();
  }

  /** What is on it now, for who paints it elsewhere: each tile with its place, the one that floats last. */
  shown() {
    const { left, top, width, height } = this.root.getBoundingClientRect();
    const tiles = [...this.tiles.values()].map(({ tile }) => tile).filter(({ root }) => !root.hidden);
    const floats = ({ root }) => root.classList.contains("floating");
    tiles.sort((one, other) => floats(one) - floats(other));
    return { width, height, tiles: tiles.map((tile) => tile.seen(left, top)) };
  }

  /** Place the tiles that there are on the stage as it is now. */
  arrange() {
    const { clientWidth, clientHeight } = this.root;
    if (!this.order?.length || !clientWidth) return;
    const phone = clientWidth < 640;
    const gap = phone ? 8 : 12;
    const edge = phone ? 8 : 16;
    const whole = { x: edge, y: edge, width: clientWidth - 2 * edge, height: clientHeight - 2 * edge };
    const paged = { ...whole, height: whole.height - PAGER + edge };
    const area = this.pager.shown ? paged : whole;
    const large = this.order.find((entry) => entry.large);
    const rest = this.order.filter((entry) => entry !== large);
    const plan = this.#plan(large, rest, area, gap);
    if (large) this.#place(large, plan.main);
    const shown = plan.shown ?? Math.min(rest.length, MOST_TILES + 1);
    rest.forEach((entry, index) => this.#place(entry, index < shown ? plan.tiles[index] : null));
    this.#placeMore(rest.length - shown, plan.tiles[shown]);
    this.field.style.height = `${Math.max(clientHeight, plan.height + 2 * edge)}px`;
    this.#tell({ whole, paged, gap }, plan, large);
  }

  #plan(large, rest, area, gap) {
    const two = rest.length + (large ? 1 : 0) === 2 && rest.some(({ own }) => own);
    if (two && large?.source !== "screen" && area.width > area.height * 1.2) {
      const [main, small] = duet(area, gap).tiles;
      // The small one is oneself.
      return { main, tiles: rest.map(({ own }) => (own ? small : main)), height: area.height };
    }
    if (large) return spotlight(rest.length, area, gap, large.source !== "screen");
    return grid(Math.min(MOST_TILES + 1, rest.length), area, gap);
  }

  /** What fits, with the pages' arrows only where they are needed, and how tall it is. */
  #tell({ whole, paged, gap }, plan, large) {
    const { view, others } = this.session;
    const own = this.order.filter((entry) => entry.own).length;
    const screens = others.some(({ screen }) => screen);
    const room = (area) =>
      view.layout === "speaker" || view.pinned.length || screens
        ? 1 + stripRoom(area, gap, !screens) - own
        : gridRoom(area, gap, MOST_TILES + own) - own;
    const fitting = room(whole);
    const tiles = Math.max(1, this.sights.others > fitting ? room(paged) : fitting);
    const small = Math.max(0, ...plan.tiles.map(({ height }) => height));
    view.fits({
      tiles,
      large: (large ? plan.main.height : small) * devicePixelRatio,
      small: small * devicePixelRatio,
    });
  }

  #place(entry, rectangle) {
    const { tile } = this.tiles.get(entry.key);
    tile.root.hidden = !rectangle;
    if (!rectangle) return;
    const floating = entry.key === "me" && this.order.length === 2 && rectangle.width < this.root.clientWidth * 0.4;
    tile.root.classList.toggle("floating", floating);
    attribute(tile.root, "data-large", Boolean(entry.large) && "true");
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
}

/**
 * One kind of media on its way into the player: pictures, which may change their size, or sound.
 *
 * It asks for the playlist that has the next part, which the server answers as soon as there is one, loads what is new
 * and appends it. Another size is gone over to where its next part can be begun with; sizes are cut at the same times.
 * Read next: `player.js`.
 */

import { beginning, isAtOrBehind, readList } from "./listing.js";

const BACK = 1.2; // seconds from the end at which it begins
const KEPT = 20; // seconds behind what is shown
const AGAIN = 500; // milliseconds after a failure
const MOST_FAILURES = 10; // in a row

/** The show has `ended`, there is `another` one, or the server is `lost`. */
export class Over extends Error {}

/** The server is there, and has nothing new. */
class Later extends Error {}

/** What came is nothing that this browser plays. */
export class Unplayable extends Error {}

export class Track {
  /** `choose` gives the address of the list to load from now; `loaded` is told octets and seconds. */
  constructor(buffer, choose, loaded, signal) {
    this.buffer = buffer;
    this.choose = choose;
    this.loaded = loaded;
    this.signal = signal;
    this.address = null;
    this.next = null;
    this.offset = null; // wall clock of media time 0, in milliseconds
    this.failures = 0;
  }

  /** Load until the end; throws `Over` and `Unplayable`. */
  async run(video, from = null) {
    this.video = video;
    this.from = from;
    for (;;) {
      try {
        await this.#step();
        this.failures = 0;
      } catch (error) {
        if (error instanceof Over || error instanceof Unplayable || this.signal.aborted) throw error;
        this.failures = error instanceof Later ? 0 : this.failures + 1;
        if (this.failures > MOST_FAILURES) throw new Over("lost");
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
      }
    }
  }

  async #step() {
    const wanted = this.choose();
    const list = await this.#list(wanted, this.next);
    if (this.address === null) await this.#begin(wanted, list);
    else if (wanted !== this.address) await this.#goOver(wanted, list);
    const known = wanted === this.address ? list : await this.#list(this.address, this.next);
    for (const part of known.parts.filter((each) => isAtOrBehind(each, this.next))) await this.#load(part);
    if (known.ended) throw new Over("ended");
  }

  async #begin(address, list) {
    const first = this.from ? list.parts.find((part) => part.at + 1 >= this.from) : beginning(list, BACK);
    if (!first) throw new Error("nothing to begin with yet");
    await this.#initialize(address, list);
    this.next = { segment: first.segment, place: first.place };
    this.began = first.at;
  }

  /** To another size, if what comes next of it can be begun with. */
  async #goOver(address, list) {
    const part = list.parts.find((each) => each.segment === this.next.segment && each.place === this.next.place);
    if (part?.independent && !part.whole) await this.#initialize(address, list);
  }

  async #initialize(address, list) {
    await this.#append(await this.#octets(new URL(list.initialization, address)));
    this.address = address;
  }

  async #list(address, next) {
    const url = new URL(address);
    if (next !== null) {
      url.searchParams.set("_HLS_msn", next.segment);
      url.searchParams.set("_HLS_part", next.place);
    }
    const answer = await fetch(url, { signal: this.signal });
    if (answer.status === 404) throw new Over("another");
    if (answer.status === 503) throw new Later("list: 503");
    if (!answer.ok) throw new Error(`list: ${answer.status}`);
    return readList(await answer.text());
  }

  async #load(part) {
    const octets = await this.#octets(new URL(part.uri, this.address));
    await this.#append(octets);
    if (this.offset === null && this.buffer.buffered.length) {
      this.offset = this.began - this.buffer.buffered.start(0) * 1000;
    }
    this.next = part.whole ? { segment: part.segment + 1, place: 0 } : { segment: part.segment, place: part.place + 1 };
  }

  async #octets(url) {
    const since = performance.now();
    const answer = await fetch(url, { signal: this.signal });
    if (!answer.ok) throw new Error(`piece: ${answer.status}`);
    const octets = await answer.arrayBuffer();
    this.loaded(octets.byteLength, (performance.now() - since) / 1000);
    return octets;
  }

  async #append(octets) {
    const { buffer, video } = this;
    const old = video.currentTime - KEPT;
    if (buffer.buffered.length && buffer.buffered.start(0) < old) {
      buffer.remove(0, old);
      await settled(buffer);
    }
    buffer.appendBuffer(octets);
    await settled(buffer);
  }
}

function settled(buffer) {
  return new Promise((resolve, reject) => {
    buffer.addEventListener("updateend", resolve, { once: true });
    buffer.addEventListener("error", () => reject(new Unplayable("What came is no picture.")), { once: true });
  });
}

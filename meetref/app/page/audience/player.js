/**
 * Plays the show of a room through Media Source: two tracks, kept some two seconds behind the studio.
 *
 * States: `waiting` (it has not begun), `playing`, `stalled` (nothing comes just now), `blocked` (the browser wants a touch
 * first), `over`, `lost`, `failed`.
 * Where there is no Media Source the browser plays HLS itself; Chromium says "maybe" of that and cannot.
 * Events: `changed`. Leaves out: what it looks like (`main.js`). Read next: `pace.js`, `track.js`.
 */

import { CaptionTrack } from "./captions.js";
import { readIndex } from "./listing.js";
import { LATENCY, rateFor, stepFor, Throughput, variantFor } from "./pace.js";
import { Over, Track, Unplayable } from "./track.js";

const LOOK_AGAIN = 2000; // milliseconds while there is no show
const TICK = 250; // milliseconds
const STANDS = 1000; // milliseconds for which the picture stands still before that is told
const NO_H264 =
  "This browser does not play H264, in which the pictures are. Open the page in another one; on Linux, Firefox plays it once FFmpeg's libavcodec is installed.";
const NOT_NATIVE = "This browser could not play the stream. Open the page in another one, such as Chrome, Edge, Firefox or Safari.";
const LEAST = 1000; // octets of a part that says something of the line

export class Player extends EventTarget {
  constructor(video, base) {
    super();
    this.video = video;
    this.base = base; // the address of the room's folder, with a slash
    this.state = "waiting";
    this.latency = null;
    this.stalls = 0;
    this.switches = 0;
    this.error = null;
    this.throughput = new Throughput();
    this.captions = new CaptionTrack(video);
    this.stood = { at: 0, since: 0 }; // where the picture stands, and since when
    this.clock = 0; // what the server's clock is ahead of ours, in milliseconds
    video.addEventListener("waiting", () => {
      if (this.state === "playing") this.stalls += 1;
    });
  }

  /** Play until the page is closed: every show of the room, one after the other. */
  async run() {
    for (;;) {
      const index = await this.#index();
      if (index === null) {
        if (this.state === "playing" || this.state === "stalled") this.#be("waiting");
        await pause(LOOK_AGAIN);
        continue;
      }
      await this.#setClock().catch(() => {}); // then latency is told by this machine's own clock
      await this.#play(index).catch((error) => {
        if (error.message === "ended") this.finished = this.current;
        if (error instanceof Over) this.#be({ ended: "over", another: "waiting", lost: "lost" }[error.message]);
        else {
          this.error = String(error.message ?? error);
          this.#be("failed");
        }
      });
      await pause(LOOK_AGAIN);
    }
  }

  /** After a touch: the browser allows sound now. */
  touch() {
    this.#start();
  }

  async #index() {
    try {
      const answer = await fetch(new URL("index.m3u8", this.base));
      if (!answer.ok) {
        if (this.state === "lost") this.#be("waiting");
        return null;
      }
      const index = readIndex(await answer.text());
      const run = index.sound;
      if (run === this.finished) return null; // this show is over, and listed for a while
      this.current = run;
      return index;
    } catch {
      this.#be("lost");
      return null;
    }
  }

  async #setClock() {
    const since = Date.now();
    const answer = await fetch(new URL("time", this.base));
    const time = Date.parse(await answer.text());
    this.clock = time - (since + Date.now()) / 2;
  }

  async #play(index) {
    const [picture, sound] = index.variants[0].codecs.split(",");
    if (!window.MediaSource) {
      await this.#playNatively();
      return;
    }
    if (!MediaSource.isTypeSupported(`video/mp4; codecs="${picture}"`)) throw new Unplayable(NO_H264);
    const source = new MediaSource();
    this.video.src = URL.createObjectURL(source);
    await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
    const aborting = new AbortController();
    const tracks = [
      this.#track(source, `video/mp4; codecs="${picture}"`, () => this.#variant(index), aborting.signal),
      this.#track(source, `audio/mp4; codecs="${sound}"`, () => new URL(index.sound, this.base).href, aborting.signal),
    ];
    if (index.captions) this.captions.run(new URL(index.captions, this.base).href, aborting.signal);
    const ticking = setInterval(() => this.#tick(tracks[0]), TICK);
    try {
      await Promise.all(tracks.map((track) => track.run(this.video)));
    } finally {
      clearInterval(ticking);
      aborting.abort();
      URL.revokeObjectURL(this.video.src);
    }
  }

  #track(source, type, choose, signal) {
    const loaded = (octets, seconds) => octets > LEAST && this.throughput.add(octets, seconds);
    return new Track(source.addSourceBuffer(type), choose, loaded, signal);
  }

  #variant(index) {
    const height = Math.max(180, this.video.clientHeight * devicePixelRatio);
    const chosen = variantFor(index.variants, this.throughput.bps, height);
    if (this.chosen !== chosen.uri) this.switches += 1;
    this.chosen = chosen.uri;
    return new URL(chosen.uri, this.base).href;
  }

  /** Begin when there is something, keep up, and step over what will not come. */
  #tick(track) {
    const { video } = this;
    this.#look();
    const ranges = video.buffered;
    if (!ranges.length || track.offset === null) return;
    const stretches = Array.from(ranges, (_, number) => [ranges.start(number), ranges.end(number)]);
    const [begin, end] = stretches.at(-1);
    const moves = this.state === "playing" || this.state === "stalled";
    const step = stepFor(stretches, video.currentTime, moves);
    if (step === "step") video.currentTime = begin;
    if (step !== "play") return;
    if (!moves && this.state !== "blocked") {
      video.currentTime = Math.max(video.currentTime, end - LATENCY + 0.5);
      this.#start();
    }
    this.latency = (Date.now() + this.clock - track.offset) / 1000 - video.currentTime;
    const rate = rateFor(this.latency, end - video.currentTime);
    if (rate === null) video.currentTime = end - 1;
    else video.playbackRate = rate;
    this.dispatchEvent(new Event("changed"));
  }

  /** Does the picture stand still, for want of what to show? */
  #look() {
    const { currentTime: at, paused } = this.video;
    if (at !== this.stood.at || paused) this.stood = { at, since: Date.now() };
    const stands = Date.now() - this.stood.since >= STANDS;
    if (stands && this.state === "playing") this.#be("stalled");
    else if (!stands && this.state === "stalled") this.#be("playing");
  }

  #start() {
    this.video.play().then(
      () => this.#be("playing"),
      (error) => {
        if (error.name === "NotAllowedError") this.#be("blocked");
      },
    );
  }

  /** Until it is over. */
  #playNatively() {
    return new Promise((_, reject) => {
      this.video.addEventListener("ended", () => reject(new Over("ended")), { once: true });
      this.video.addEventListener("error", () => reject(new Unplayable(NOT_NATIVE)), { once: true });
      this.video.src = new URL("index.m3u8", this.base).href;
      this.#start();
    });
  }

  #be(state) {
    this.state = state;
    this.dispatchEvent(new Event("changed"));
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

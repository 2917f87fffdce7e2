/**
 * Captions beside the picture: segments of WebVTT as they come, put into a text track of the video.
 *
 * A segment is there when it is whole, so a line may come a moment after its time; it is shown from then on. What goes
 * wrong here ends no picture: it is tried again.
 * Leaves out: settings and tags of cues, which our own server does not write. Read next: `player.js`.
 */

import { readList } from "./listing.js";

const AGAIN = 1000; // milliseconds after a failure
const KEPT = 30; // seconds behind what is shown
const SHORTEST = 1.5; // seconds that a line is shown, also when the next one comes
const TIMING = /^(?:(\d{2,}):)?(\d\d):(\d\d\.\d{3}) --> (?:(\d{2,}):)?(\d\d):(\d\d\.\d{3})$/;

/** The cues of a segment: `{begins, ends, text}`, in seconds; the text as WebVTT has it. */
export function readCues(text) {
  const cues = [];
  for (const block of text.split(/\n{2,}/).slice(1)) {
    const [timing, ...lines] = block.trim().split("\n");
    const found = TIMING.exec(timing);
    if (found) cues.push({ begins: seconds(found.slice(1, 4)), ends: seconds(found.slice(4, 7)), text: lines.join("\n") });
  }
  return cues;
}

function seconds([hours, minutes, rest]) {
  return (Number(hours ?? 0) * 60 + Number(minutes)) * 60 + Number(rest);
}

export class CaptionTrack {
  constructor(video) {
    this.video = video;
    this.track = video.addTextTrack("captions", "Captions");
    this.cues = [];
  }

  /** What stands in the picture now. */
  get shown() {
    return [...(this.track.activeCues ?? [])].map((cue) => cue.getCueAsHTML().textContent);
  }

  /** Load the captions of one show until `signal` says that it is over. */
  async run(address, signal) {
    const { mode } = this.track;
    this.track.mode = "disabled"; // Chromium goes on to paint a cue that is taken away between two shows
    this.#forget(Infinity);
    this.track.mode = mode;
    let next = null;
    while (!signal.aborted) {
      try {
        const url = new URL(address);
        if (next !== null) url.searchParams.set("_HLS_msn", next);
        const list = readList(await this.#text(url, signal));
        const fresh = list.parts.filter(({ segment }) => segment >= (next ?? list.next.segment - 3));
        for (const { uri } of fresh) this.#add(readCues(await this.#text(new URL(uri, address), signal)));
        next = list.next.segment;
        if (list.ended) return;
      } catch {
        if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, AGAIN));
      }
    }
  }

  async #text(url, signal) {
    const answer = await fetch(url, { signal });
    if (!answer.ok) throw new Error(`captions: ${answer.status}`);
    return answer.text();
  }

  /** A line that is said again in the next segment is the same line. */
  #add(cues) {
    this.#forget(this.video.currentTime - KEPT);
    for (const { begins, ends, text } of cues) {
      if (this.cues.some((cue) => cue.startTime === begins && cue.text === text)) continue;
      for (const cue of this.cues) {
        if (cue.startTime < begins && cue.endTime > begins) cue.endTime = Math.max(begins, cue.startTime + SHORTEST);
      }
      const cue = new VTTCue(begins, ends, text);
      this.track.addCue(cue);
      this.cues.push(cue);
    }
  }

  #forget(before) {
    for (const cue of this.cues.filter(({ endTime }) => endTime < before)) this.track.removeCue(cue);
    this.cues = this.cues.filter(({ endTime }) => endTime >= before);
  }
}

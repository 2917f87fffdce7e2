/**
 * Captions in the film: a text track, which the player's own control turns off and on; the browser remembers which.
 *
 * Read next: `film.js`, `captions.js`.
 */

import { recall, remember } from "./memory.js";

/** Give the player captions: `{begins, ends, name, text}`, in order. */
export function showCaptions(video, captions) {
  const track = video.addTextTrack("captions", "Captions");
  track.mode = recall("captions") === "hidden" ? "disabled" : "showing";
  for (const [place, caption] of captions.entries()) {
    const { begins, ends } = caption;
    track.addCue(new VTTCue(begins, ends, cueText(caption, captions[place - 1])));
  }
  video.textTracks.addEventListener("change", () => remember("captions", track.mode === "showing" ? "" : "hidden"));
}

/** What stands in the picture: whose words it is, where another one speaks than before. */
function cueText({ name, text }, before) {
  const words = name !== null && name !== before?.name ? `${name}: ${text}` : text;
  return words.replace(/&/gu, "&amp;").replace(/</gu, "&lt;");
}

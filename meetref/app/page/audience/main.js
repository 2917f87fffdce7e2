/**
 * The audience's page: the picture, how far behind it is, and a hand to raise.
 *
 * `window.meetref.watching()` tells programs how it is (docs/webinar.md).
 * Read next: `player.js`.
 */

import { element, write } from "../elements.js";
import { recall, remember } from "../memory.js";
import { Hand } from "./hand.js";
import { Player } from "./player.js";

const room = decodeURIComponent(location.pathname.split("/")[2]);
const base = new URL(`/watch/${room}/`, location.href);

const WORDS = {
  waiting: "The webinar has not begun. This page starts by itself when it does.",
  stalled: "One moment: the picture stands still. It goes on by itself.",
  over: "The webinar is over.",
  lost: "The server cannot be reached. This page goes on by itself when it can.",
  failed: "It cannot be played here.",
};
/** Nobody is on stage who could see a hand. */
const NOBODY_THERE = new Set(["waiting", "over", "failed"]);
const HAND = {
  down: "",
  up: "Your hand is up. The people on stage see your name.",
  declined: "Not now, say the people on stage.",
  admitted: "Come in!",
};

const video = element("video", { test: "watch-video", playsinline: true, "aria-label": `Webinar ${room}` });
const words = element("p", { class: "veil-words", test: "watch-words", role: "status" });
const play = element("button", { class: "button primary", type: "button", test: "watch-play" }, "Play");
const veil = element("div", { class: "veil" }, words, play);
const live = element("span", { class: "live" }, "Live");
const latency = element("span", { class: "latency", test: "watch-latency" });
const mute = element("button", { class: "button", type: "button", test: "watch-mute" }, "Mute");
const captions = element("button", { class: "button", type: "button", test: "watch-captions" });
const full = element("button", { class: "button", type: "button", test: "watch-full" }, "Full screen");
const name = element("input", {
  class: "field-text",
  type: "text",
  test: "watch-name",
  maxlength: "64",
  required: true,
  autocomplete: "name",
  placeholder: "Your name",
  "aria-label": "Your name",
});
const raise = element("button", { class: "button primary", type: "submit", test: "watch-raise" }, "Raise hand to speak");
const lower = element("button", { class: "button", type: "button", test: "watch-lower", hidden: true }, "Put hand down");
const handWords = element("p", { class: "hand-words", test: "watch-hand", role: "status" });
const form = element("form", { class: "hand" }, name, raise, lower);

document.title = `${room} - meetref`;
document.getElementById("app").append(
  element(
    "main",
    { class: "watch" },
    element("header", { class: "watch-head" }, element("h1", {}, room), live, latency),
    element("div", { class: "watch-stage" }, video, veil),
    element("footer", { class: "watch-foot" }, form, handWords, element("div", { class: "watch-buttons" }, captions, mute, full)),
  ),
);

const player = new Player(video, base);
const hand = new Hand(base, (target) => location.assign(target));

function draw() {
  const { state } = player;
  veil.hidden = state === "playing";
  live.hidden = state !== "playing" && state !== "blocked";
  play.hidden = state !== "blocked";
  write(words, state === "blocked" ? "" : state === "failed" && player.error ? `${WORDS.failed} ${player.error}` : (WORDS[state] ?? ""));
  write(latency, player.latency === null || state !== "playing" ? "" : `${player.latency.toFixed(1)} s behind`);
  write(mute, video.muted ? "Unmute" : "Mute");
  drawHand();
}

/** Captions are shown as soon as there are any, unless somebody does not want them. */
function showCaptions(on) {
  remember("captions", on ? "" : "hidden");
  for (const track of video.textTracks) track.mode = on ? "showing" : "hidden";
  write(captions, on ? "Hide captions" : "Show captions");
}

function drawHand() {
  write(handWords, hand.words || HAND[hand.state] || "");
  const up = hand.state === "up" || hand.state === "admitted";
  form.hidden = !up && NOBODY_THERE.has(player.state);
  name.hidden = raise.hidden = up;
  lower.hidden = hand.state !== "up";
}

player.addEventListener("changed", draw);
hand.addEventListener("changed", drawHand);
play.addEventListener("click", () => player.touch());
mute.addEventListener("click", () => {
  video.muted = !video.muted;
  draw();
});
captions.addEventListener("click", () => showCaptions(recall("captions") === "hidden"));
full.addEventListener("click", () => video.requestFullscreen?.());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  hand.raise(name.value.trim());
});
lower.addEventListener("click", () => hand.lower());

window.meetref = {
  watching: () => ({
    state: player.state,
    error: player.error,
    latency: player.latency,
    stalls: player.stalls,
    throughput_bps: Math.round(player.throughput.bps),
    rendition: player.chosen ?? null,
    width: video.videoWidth,
    height: video.videoHeight,
    position: video.currentTime,
    captions: player.captions.shown,
    hand: hand.state,
  }),
};

draw();
showCaptions(recall("captions") !== "hidden");
player.run();

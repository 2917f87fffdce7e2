/**
 * One recording: the film with its chapters, the chat beside it, its files, and what its owner may do with it.
 *
 * The film's address expires: when it does while somebody watches, a new one is asked for, and it goes on there.
 * Read next: `filmchat.js`, `filmcaptions.js`, `ownership.js`.
 */

import { attribute, element } from "./elements.js";
import { showCaptions } from "./filmcaptions.js";
import { FilmChat } from "./filmchat.js";
import { clock, fileName, lastBefore, moment, size, spokenTime } from "./filmwords.js";
import { icon } from "./icons.js";
import { Ownership } from "./ownership.js";
import { ask, placeOf } from "./shelf.js";
import { Progress } from "./shelflist.js";

const FILMS = ["film.mp4", "browser.webm"]; // what is composed, or what a browser recorded
const RENEW_AFTER = 60000; // milliseconds: an address that fails sooner than that is not too old

export class Film {
  constructor({ token, gone, retried }) {
    Object.assign(this, { token, gone });
    this.progress = new Progress({ retried });
    this.head = element("div", { class: "film-head" });
    this.place = element("div", { class: "film" });
    this.root = element(
      "div",
      { class: "film-page", test: "recording-page" },
      element(
        "a",
        { class: "link", href: "/recordings", test: "all" },
        icon("back"),
        element("span", {}, "All recordings"),
      ),
      this.head,
      this.progress.root,
      this.place,
    );
  }

  async draw(recording) {
    this.recording = recording;
    document.title = `${recording.room}, ${moment(recording.began_at)} · meetref`;
    if (!this.head.firstChild) this.#drawHead(recording);
    this.progress.draw(recording);
    if (recording.state !== "composed" || this.video) return;
    this.index = await ask(placeOf(recording.recording, "/index"), { token: this.token });
    this.#drawFilm(recording);
  }

  #drawHead(recording) {
    const { room, began_at: began, ended_at: ended, by } = recording;
    this.head.append(
      element(
        "div",
        {},
        element("h1", { test: "room-name" }, room),
        element("p", { class: "aside" }, `${moment(began)} · ${clock(ended - began)}${by ? ` · by ${by}` : ""}`),
      ),
      new Ownership(recording, { gone: this.gone }).root,
    );
  }

  #drawFilm(recording) {
    const poster = this.#address("poster.jpg");
    this.film = FILMS.find((name) => this.#address(name)) ?? FILMS[0];
    this.video = element("video", {
      class: "film-video",
      test: "player",
      controls: true,
      playsinline: true,
      preload: "metadata",
      poster,
      src: this.#address(this.film),
      "aria-label": `The meeting in ${recording.room}`,
    });
    this.loadedAt = Date.now();
    this.video.addEventListener("error", () => this.#renew());
    this.words = this.#words();
    const spoken = (this.index.chapters ?? []).map(({ begins, name }) => ({ at: begins, name }));
    const chapters = this.#chapters(spoken);
    this.video.addEventListener("timeupdate", () => this.#follow());
    this.place.append(
      element("div", { class: "film-main" }, this.video, chapters, this.#files(recording)),
      element("div", { class: "film-words" }, ...this.words.map(({ root }) => root)),
    );
    this.#follow();
  }

  /** What was written down, if anything was, and the chat. */
  #words() {
    const jump = (at) => this.#jump(at);
    const captions = this.index.captions ?? [];
    const chat = new FilmChat(this.index.chat ?? [], { jump });
    if (!captions.length) return [chat];
    showCaptions(this.video, captions);
    const lines = captions.map(({ begins, name, text }) => ({ at: begins, from: name, text }));
    return [new FilmChat(lines, { jump, kind: "captions" }), chat];
  }

  #chapters(chapters) {
    this.chapters = chapters;
    this.buttons = chapters.map(({ at, name }) =>
      element(
        "button",
        {
          class: "chapter",
          type: "button",
          test: "chapter",
          "aria-label": `${name}, at ${spokenTime(at)}`,
          on: { click: () => this.#jump(at) },
        },
        element("span", { class: "time" }, clock(at)),
        element("span", { class: "chapter-name" }, name),
      ),
    );
    return element(
      "section",
      { "aria-labelledby": "chapters-title", hidden: chapters.length === 0 },
      element("h2", { id: "chapters-title" }, "Who speaks"),
      element("div", { class: "chapters", test: "chapters" }, ...this.buttons),
    );
  }

  #files(recording) {
    const rows = recording.files
      .filter(({ name }) => name !== "index.json")
      .map(({ name, size: octets, url }) =>
        element(
          "li",
          {},
          element(
            "a",
            { class: "file", href: url, download: fileName(recording, name), test: name === this.film ? "download" : "file" },
            element("span", { class: "file-name" }, name === this.film ? "The film" : this.#described(name)),
            element("span", { class: "aside" }, `${name.slice(name.lastIndexOf(".") + 1)} · ${size(octets)}`),
          ),
        ),
      );
    const film = rows.find((row) => row.querySelector("[data-test=download]"));
    return element(
      "section",
      { class: "film-files", "aria-labelledby": "files-title" },
      element("h2", { id: "files-title" }, "Download"),
      element("ul", { class: "files", test: "files" }, film, ...rows.filter((row) => row !== film)),
    );
  }

  /** A file of one person is called by the name of the person. */
  #described(name) {
    const known = { "chat.vtt": "The chat, as subtitles", "captions.vtt": "The captions, as subtitles", "poster.jpg": "A picture" };
    const whose = (this.index.people ?? []).find(({ files }) => files?.includes(name));
    const holds = (this.index.files ?? []).find((file) => file.name === name)?.holds;
    if (!whose) return known[name] ?? name;
    return holds === "screen" ? `The screen of ${whose.name}` : `Only ${whose.name}`;
  }

  #address(name) {
    return this.recording.files.find((file) => file.name === name)?.url;
  }

  #jump(at) {
    this.video.currentTime = at;
    this.video.play().catch(() => {});
    this.video.focus({ preventScroll: true });
  }

  #follow() {
    const now = this.video.currentTime;
    const current = lastBefore(this.chapters, now);
    for (const [number, button] of this.buttons.entries()) attribute(button, "aria-current", number === current);
    for (const words of this.words) words.follow(now);
  }

  async #renew() {
    if (Date.now() - this.loadedAt < RENEW_AFTER) return;
    this.loadedAt = Date.now();
    const { currentTime: at, paused } = this.video;
    try {
      this.recording = await ask(placeOf(this.recording.recording), { token: this.token });
    } catch {
      return; // the video says itself that it cannot go on
    }
    this.video.src = this.#address(this.film);
    this.video.currentTime = at;
    if (!paused) this.video.play().catch(() => {});
  }
}

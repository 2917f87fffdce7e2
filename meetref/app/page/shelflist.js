/**
 * The recordings of meetings that one was in: when, how far they are, and the way to each.
 *
 * Read next: `recordings.js`, `film.js`.
 */

import { attribute, element, write } from "./elements.js";
import { clock, isUnfinished, moment, size, stateWords } from "./filmwords.js";
import { icon } from "./icons.js";
import { ask, placeOf } from "./shelf.js";

/** `retried()` is called once one that failed is tried again. */
export class List {
  constructor({ retried }) {
    this.retried = retried;
    this.rows = new Map();
    this.list = element("ul", { class: "shelf", test: "recordings" });
    this.nothing = element(
      "p",
      { class: "lead", test: "nothing", hidden: true },
      "Nothing yet. Press Settings → Record this meeting in a meeting: the recording is here as soon as it ends.",
    );
    this.root = element(
      "div",
      { class: "shelf-page" },
      element("h1", {}, "Recordings"),
      element("p", { class: "lead" }, "Of meetings that you were in, with this browser."),
      this.nothing,
      this.list,
    );
  }

  draw(recordings) {
    this.nothing.hidden = recordings.length > 0;
    const rows = recordings.map((recording) => {
      const row = this.rows.get(recording.recording) ?? new Row(recording, this.retried);
      this.rows.set(recording.recording, row);
      row.draw(recording);
      return row.root;
    });
    if (rows.some((row, place) => this.list.children[place] !== row)) this.list.replaceChildren(...rows);
  }
}

class Row {
  constructor({ recording, room, began_at: began, ended_at: ended, by }, retried) {
    this.progress = new Progress({ retried });
    this.size = element("span", {});
    this.root = element(
      "li",
      { class: "shelf-row", test: "recording-row", data: { recording } },
      element("span", { class: "shelf-mark", "aria-hidden": "true" }, icon("record")),
      element(
        "div",
        { class: "shelf-words" },
        element(
          "a",
          { class: "shelf-name", href: `/recordings/${recording}`, test: "recording-open" },
          room,
          element("span", { class: "hidden-words" }, `, ${moment(began)}`),
        ),
        element(
          "p",
          { class: "aside" },
          `${moment(began)} · ${clock(ended - began)}${by ? ` · by ${by}` : ""}`,
          this.size,
        ),
        this.progress.root,
      ),
    );
  }

  draw(recording) {
    write(this.size, recording.size ? ` · ${size(recording.size)}` : "");
    this.progress.draw(recording);
  }
}

/** A bar, and a sentence; where it failed, a button for who may have it tried again. Nothing once it is ready. */
export class Progress {
  constructor({ retried }) {
    this.retried = retried;
    this.bar = element("div", { class: "progress", role: "progressbar", test: "progress", "aria-valuemin": "0" });
    this.bar.append(element("i"));
    attribute(this.bar, "aria-valuemax", "100");
    attribute(this.bar, "aria-label", "Being put together");
    this.words = element("p", { class: "progress-words", test: "recording-state", "aria-live": "polite" });
    this.retry = element(
      "button",
      { class: "button", type: "button", test: "recording-retry", hidden: true, on: { click: () => this.#again() } },
      "Try again",
    );
    this.answer = element("p", { class: "aside", test: "retry-words", role: "status" });
    this.root = element("div", { class: "progress-box" }, this.bar, this.words, this.retry, this.answer);
  }

  draw(recording) {
    const { state, done } = recording;
    this.name = recording.recording;
    this.root.hidden = state === "composed";
    this.root.classList.toggle("failed", state === "failed");
    this.bar.hidden = !isUnfinished(recording);
    this.retry.hidden = !recording.may_retry;
    attribute(this.bar, "aria-valuenow", String(Math.round(done * 100)));
    this.bar.firstElementChild.style.width = `${done * 100}%`;
    write(this.words, stateWords(recording));
  }

  async #again() {
    this.retry.disabled = true;
    try {
      await ask(placeOf(this.name, "/again"), { method: "POST" });
      write(this.answer, "");
    } catch (refused) {
      write(this.answer, refused.message);
    }
    this.retry.disabled = false;
    this.retried();
  }
}

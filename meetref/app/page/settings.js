/**
 * The settings of a running meeting: devices, recording, captions, and in a sentence for each direction how sound and
 * picture travel.
 *
 * Leaves out: everything else about the two connections, to which a button leads (`paths.js`).
 * Read next: `pickers.js`, `pairs.js`.
 */

import { element, write } from "./elements.js";
import { icon } from "./icons.js";
import { candidatePairs, milliseconds, pathWords } from "./pairs.js";
import { DIRECTIONS } from "./paths.js";
import { OwnRecording } from "./ownrecording.js";
import { Pickers } from "./pickers.js";

const HERE = {
  off: "Record in this browser",
  asking: "Everybody is told …",
  recording: "Stop in this browser",
  finishing: "Bringing the rest …",
};

export class Settings {
  /** `showConnection` opens what there is to know about the connections. */
  constructor(session, showConnection) {
    this.session = session;
    this.pickers = new Pickers(session.devices);
    this.facts = element("div", { class: "facts", test: "transports" });
    const close = element(
      "button",
      {
        class: "icon-button plain",
        type: "button",
        test: "settings-close",
        "aria-label": "Close the settings",
        on: { click: () => this.root.close() },
      },
      icon("close"),
    );
    this.root = element(
      "dialog",
      { class: "dialog", test: "settings-dialog", "aria-label": "Settings" },
      element("header", { class: "dialog-head" }, element("h2", {}, "Settings"), close),
      element("h3", {}, "Devices"),
      this.pickers.root,
      this.#recording(),
      this.#captions(),
      element("h3", {}, "Connection"),
      this.facts,
      this.#details(showConnection),
    );
    this.root.addEventListener("click", (event) => event.target === this.root && this.root.close());
    this.draw = () => this.root.open && this.#draw();
    session.addEventListener("measured", this.draw);
    session.recording.addEventListener("changed", this.draw);
  }

  show() {
    if (this.root.open) return;
    this.root.showModal();
    this.#draw();
  }

  close() {
    this.session.removeEventListener("measured", this.draw);
    this.session.recording.removeEventListener("changed", this.draw);
    this.pickers.close();
    if (this.root.open) this.root.close();
  }

  #draw() {
    const { now, may } = this.session.recording;
    this.record.hidden = !may;
    write(this.recordWords, now.on ? "Stop the recording" : "Record this meeting");
    write(
      this.recordNote,
      may
        ? "On the server. Everybody here sees and hears that it runs and who started it."
        : "You may not record this meeting: the server did not give you the right to.",
    );
    this.#drawOwn(may);
    const { reports } = this.session.listener;
    const rows = Object.entries(DIRECTIONS).flatMap(([direction, name]) => [
      element("dt", {}, name),
      element("dd", {}, pathFact(candidatePairs(reports[direction])[0])),
    ]);
    this.facts.replaceChildren(element("dl", { class: "fact" }, ...rows));
  }

  #drawOwn(may) {
    const { state } = this.session.recording.own;
    const possible = OwnRecording.possible;
    this.recordHere.hidden = this.recordHereNote.hidden = !may;
    this.recordHere.disabled = !possible || state === "asking" || state === "finishing";
    write(this.recordHereWords, HERE[state]);
    write(
      this.recordHereNote,
      possible
        ? "In this browser: what you see and hear, as one film, brought to the server piece by piece. Keep this tab open."
        : "This browser cannot record what it shows: it makes no WebM of a picture that is painted.",
    );
  }

  #recording() {
    this.recordWords = element("span");
    this.record = element(
      "button",
      {
        class: "button",
        type: "button",
        test: "record",
        on: { click: () => this.session.recording.ask(!this.session.recording.now.on) },
      },
      icon("record"),
      this.recordWords,
    );
    this.recordNote = element("p");
    this.recordHereWords = element("span");
    this.recordHere = element(
      "button",
      { class: "button", type: "button", test: "record-here", on: { click: () => this.#toggleOwn() } },
      icon("record"),
      this.recordHereWords,
    );
    this.recordHereNote = element("p");
    return element(
      "section",
      { class: "recording" },
      element("h3", {}, "Recording"),
      this.recordNote,
      this.record,
      this.recordHereNote,
      this.recordHere,
    );
  }

  #captions() {
    const begin = () => {
      this.root.close();
      this.session.captions.beWriting(true);
    };
    return element(
      "section",
      { class: "recording" },
      element("h3", {}, "Captions"),
      element("p", {}, "Write down what is said. Everybody here reads it at once; a recording keeps it."),
      element(
        "button",
        { class: "button", type: "button", test: "write-captions", on: { click: begin } },
        icon("captions"),
        "Write captions",
      ),
    );
  }

  #toggleOwn() {
    const { own } = this.session.recording;
    if (own.active) own.stop();
    else own.start();
  }

  #details(showConnection) {
    const show = () => {
      this.root.close();
      showConnection();
    };
    return element(
      "button",
      { class: "button", type: "button", test: "connection-show", on: { click: show } },
      "More about the connection",
      icon("details"),
    );
  }
}

function pathFact(pair) {
  const there = pair?.selected && pair.roundTrip !== null;
  return there ? `${pathWords(pair)}, ${milliseconds(pair.roundTrip)} there and back` : pathWords(pair);
}

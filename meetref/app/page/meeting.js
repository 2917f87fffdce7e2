/**
 * The meeting on the screen: stage, toolbar, panel, notices, and the words about the connection.
 *
 * It holds the parts together: every change of the session goes to the parts that show it, at most once a frame.
 * Read next: `session.js`, `stage.js`, `toolbar.js`.
 */

import { AudienceBadge } from "./audience.js";
import { CaptionView } from "./captionview.js";
import { CaptionWriter } from "./captionwriter.js";
import { element, write } from "./elements.js";
import { icon } from "./icons.js";
import { copyButton } from "./invite.js";
import { listenToKeys } from "./keys.js";
import { remember } from "./memory.js";
import { Notices } from "./notices.js";
import { Panel } from "./panel.js";
import { RecordingBadge } from "./recording.js";
import { Settings } from "./settings.js";
import { Sounds } from "./sounds.js";
import { Stage } from "./stage.js";
import { Toolbar } from "./toolbar.js";

const WORDS = {
  connecting: "Connecting …",
  connected: "Connected",
  reconnecting: "Reconnecting …",
  left: "Left",
  failed: "Disconnected",
};

export class Meeting {
  constructor(session) {
    this.session = session;
    this.stage = new Stage(session);
    session.recording.own.scene = () => this.stage.shown();
    this.panel = new Panel(session);
    this.notices = new Notices();
    this.sounds = new Sounds();
    this.badge = new RecordingBadge(session);
    this.audience = new AudienceBadge(session);
    this.captions = new CaptionView(session);
    this.writer = new CaptionWriter(session);
    this.settings = new Settings(session, () => this.panel.show("connection"));
    this.actions = this.#actions();
    this.toolbar = new Toolbar(session, this.actions);
    this.words = element("span", { role: "status" });
    this.details = element(
      "button",
      {
        class: "icon-button plain",
        type: "button",
        test: "connection-details",
        "aria-label": "Details of the connection",
        on: { click: () => this.panel.show("connection") },
      },
      icon("details"),
    );
    this.connection = element("div", { class: "connection", test: "connection" }, this.words, this.details);
    this.enable = element(
      "button",
      {
        class: "button primary enable-sound",
        type: "button",
        test: "enable-sound",
        hidden: true,
        on: { click: () => this.sounds.enable() },
      },
      icon("speaker"),
      "Turn sound on",
    );
    this.sharingBar = this.#sharingBar();
    this.alone = this.#alone();
    const bars = [this.connection, this.badge.root, this.audience.root, this.sharingBar, this.enable];
    const over = element("div", { class: "over-stage" }, ...bars);
    const under = element("div", { class: "under-stage" }, this.captions.root, this.writer.root);
    this.middle = element("div", { class: "middle-stage" }, this.stage.root, over, this.alone, under, this.notices.root);
    this.root = element(
      "div",
      { class: "meeting" },
      this.middle,
      this.panel.root,
      this.toolbar.root,
      this.settings.root,
      this.sounds.root,
    );
    this.#listen();
    this.draw();
  }

  get sound() {
    return this.sounds.blocked ? "blocked" : "playing";
  }

  focus() {}

  close() {
    this.closed = true;
    this.endKeys();
    clearInterval(this.clock);
    document.removeEventListener("visibilitychange", this.soon);
    this.session.devices.removeEventListener("changed", this.onDevices);
    this.settings.close();
    this.stage.close();
    this.panel.close();
    this.sounds.close();
    this.badge.close();
  }

  /** Show everything as it is now. */
  draw() {
    const { session } = this;
    this.stage.update();
    this.sounds.follow(session.seats.all);
    this.badge.draw();
    this.audience.draw();
    this.captions.draw();
    this.writer.draw();
    this.panel.draw();
    this.toolbar.draw(this.panel);
    this.enable.hidden = !this.sounds.blocked;
    this.sharingBar.hidden = !session.sharing.active;
    const busy = session.people.size !== 1 || session.sharing.active || session.captions.known;
    this.alone.hidden = session.connection !== "connected" || busy;
    const calm = session.connection === "connected";
    write(this.words, [WORDS[session.connection], session.reason].filter(Boolean).join(" "));
    this.connection.classList.toggle("calm", calm);
    this.details.hidden = calm;
    const unread = this.panel.unread ? `(${this.panel.unread}) ` : "";
    document.title = `${unread}${session.room} · meetref`;
  }

  #actions() {
    const { session, panel, settings } = this;
    return {
      microphone: () => session.toggle("microphone"),
      camera: () => session.toggle("camera"),
      screen: () => session.toggleScreen(),
      leave: () => session.leave(),
      chat: () => panel.toggle("chat"),
      people: () => panel.toggle("people"),
      settings: () => settings.show(),
      "captions-toggle": () => {
        if (!session.captions.known) return;
        session.captions.toggle();
        remember("captions", session.captions.shown ? "" : "hidden");
      },
      layout: () => {
        session.view.toggle();
        remember("layout", session.view.layout);
      },
    };
  }

  #listen() {
    const { session, actions, panel } = this;
    this.soon = () => this.#soon();
    for (const event of ["people", "connection", "sharing", "heard", "measured"])
      session.addEventListener(event, this.soon);
    session.seats.addEventListener("changed", this.soon);
    session.view.addEventListener("changed", this.soon);
    session.recording.addEventListener("changed", this.soon);
    session.audience.addEventListener("changed", this.soon);
    session.captions.addEventListener("changed", this.soon);
    session.captions.addEventListener("hidden", () =>
      this.notices.show("Captions are being written. Press t, or their button, to read them.", "trouble"),
    );
    panel.addEventListener("changed", () => {
      if (panel.open === "chat") this.notices.clear("chat");
      this.soon();
    });
    this.sounds.addEventListener("changed", this.soon);
    session.addEventListener("notice", ({ detail: { words, kind, link } }) =>
      this.notices.show(words, kind, link),
    );
    session.chat.addEventListener("changed", () => this.#announceChat());
    this.onDevices = () => {
      this.sounds.enable(); // a page that captures may play sound
      if (session.devices.chosen.speaker !== this.sounds.speaker) this.sounds.use(session.devices.chosen.speaker);
      this.soon();
    };
    session.devices.addEventListener("changed", this.onDevices);
    this.endKeys = listenToKeys({
      m: actions.microphone,
      v: actions.camera,
      s: actions.screen,
      c: actions.chat,
      p: actions.people,
      l: actions.layout,
      t: actions["captions-toggle"],
      x: () => panel.toggle("xray"),
      PageUp: () => session.view.turn(-1),
      PageDown: () => session.view.turn(1),
      Escape: () => panel.show(null),
    });
    this.clock = setInterval(this.soon, 1000);
    document.addEventListener("visibilitychange", this.soon);
  }

  #soon() {
    if (this.waiting || this.closed) return;
    this.waiting = true;
    const go = () => {
      this.waiting = false;
      if (!this.closed) this.draw();
    };
    if (document.visibilityState === "hidden") setTimeout(go, 100);
    else requestAnimationFrame(go);
  }

  #announceChat() {
    const { session, panel } = this;
    const last = session.chat.messages.at(-1);
    const fresh = last && last.sequence > (this.announced ?? 0);
    if (!fresh) return;
    this.announced = last.sequence;
    const recent = Date.now() / 1000 - last.sent_at < 10;
    if (panel.open !== "chat" && recent && last.person !== session.identity?.participant) {
      const text = last.text.length > 120 ? `${last.text.slice(0, 120)} …` : last.text;
      this.notices.show(`${last.name}: ${text}`, "chat");
    }
  }

  #sharingBar() {
    const stop = element(
      "button",
      { class: "button small", type: "button", test: "stop-sharing", on: { click: () => this.session.sharing.stop() } },
      "Stop sharing",
    );
    return element(
      "div",
      { class: "sharing-bar", hidden: true },
      icon("screen"),
      element("span", {}, "You share your screen"),
      stop,
    );
  }

  #alone() {
    return element(
      "div",
      { class: "alone", test: "alone", hidden: true },
      element("p", {}, element("strong", {}, "You are the only one here"), " Send the link to those who should come."),
      copyButton(this.session.room, { test: "invite" }),
    );
  }
}

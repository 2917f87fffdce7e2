/**
 * The side panel with chat, people, the connection and the X-ray; on a phone it is a sheet that comes from below.
 *
 * One of the four is open, or none; the X-ray makes the panel wide. Closing gives the focus back to where it was.
 * Read next: `chat.js`, `people.js`, `paths.js`, `xray.js`.
 */

import { Chat } from "./chat.js";
import { element, write } from "./elements.js";
import { icon } from "./icons.js";
import { Paths } from "./paths.js";
import { People } from "./people.js";
import { XRay } from "./xray.js";

const LABEL = "Chat, people, connection and X-ray";

/** Events: `changed` when it opens, closes, or the number of unread messages changes. */
export class Panel extends EventTarget {
  constructor(session) {
    super();
    this.session = session;
    this.open = null;
    this.unread = 0;
    this.seen = 0;
    this.pages = {
      chat: new Chat(session),
      people: new People(session),
      connection: new Paths(session),
      xray: new XRay(session),
    };
    this.tabs = {
      chat: this.#tab("chat", "Chat"),
      people: this.#tab("people", "People"),
      connection: this.#tab("connection", "Connection"),
      xray: this.#tab("xray", "X-ray"),
    };
    const close = element(
      "button",
      {
        class: "icon-button plain",
        type: "button",
        test: "panel-close",
        "aria-label": "Close the panel",
        on: { click: () => this.show(null) },
      },
      icon("close"),
    );
    const tabs = element(
      "div",
      { class: "tabs", role: "tablist", "aria-label": LABEL },
      ...Object.values(this.tabs),
    );
    tabs.addEventListener("keydown", (event) => this.#arrows(event));
    this.root = element(
      "aside",
      { class: "panel", test: "panel", hidden: true, "aria-label": LABEL },
      element("header", { class: "panel-head" }, tabs, close),
      ...Object.values(this.pages).map(({ root }) => root),
    );
    session.chat.addEventListener("changed", () => this.#count());
  }

  /** Open one page, or close (null); asked for the open one again, it closes. */
  toggle(page) {
    this.show(this.open === page ? null : page);
  }

  show(page) {
    if (page === this.open) return;
    if (!this.open) this.before = document.activeElement;
    this.open = page;
    this.root.hidden = !page;
    this.root.classList.toggle("wide", page === "xray");
    for (const [name, { root }] of Object.entries(this.pages)) root.hidden = name !== page;
    for (const [name, tab] of Object.entries(this.tabs)) {
      tab.setAttribute("aria-selected", String(name === page));
      tab.tabIndex = name === page ? 0 : -1;
    }
    this.pages.xray.open = page === "xray";
    this.#count();
    this.draw();
    if (page === "chat") this.pages.chat.focus();
    else if (page) this.tabs[page].focus({ preventScroll: true });
    else this.#giveBack();
    this.dispatchEvent(new Event("changed"));
  }

  close() {
    this.pages.xray.close();
  }

  /** What is hidden keeps the focus until the next frame, and a field would swallow a key that comes before it. */
  #giveBack() {
    document.activeElement?.blur();
    this.before?.focus?.({ preventScroll: true });
  }

  draw() {
    write(this.tabs.people.lastChild, `People (${this.session.people.size})`);
    this.pages.people.draw();
    if (this.open === "connection" || this.open === "xray") this.pages[this.open].draw();
  }

  #tab(page, words) {
    return element(
      "button",
      {
        class: "tab",
        type: "button",
        role: "tab",
        test: `${page}-tab`,
        "aria-controls": `panel-${page}`,
        on: { click: () => this.show(page) },
      },
      words,
    );
  }

  #arrows({ key }) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!step) return;
    const pages = Object.keys(this.pages);
    this.show(pages.at((pages.indexOf(this.open) + step) % pages.length));
    this.tabs[this.open].focus();
  }

  #count() {
    const { messages } = this.session.chat;
    const mine = this.session.identity?.participant;
    const fresh = messages.slice(this.seen).filter(({ person }) => person !== mine);
    if (this.open === "chat") {
      this.seen = messages.length;
      this.unread = 0;
    } else {
      this.unread = fresh.length;
    }
    this.dispatchEvent(new Event("changed"));
  }
}

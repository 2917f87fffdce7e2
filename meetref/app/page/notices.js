/**
 * Short notices: who came and went, and what needs a hand. Read aloud politely, gone by themselves.
 *
 * At most three at a time, and the same words only once; one that tells of trouble stays longer and can be put away.
 * Read next: `meeting.js`.
 */

import { element } from "./elements.js";
import { icon } from "./icons.js";

const MOST = 3;
const STAYS = { news: 4000, chat: 5000, trouble: 10000, link: 30000 }; // milliseconds

export class Notices {
  constructor() {
    this.root = element("div", { class: "notices", role: "status", "aria-live": "polite" });
  }

  /** Show words; with a link, also where something will be. */
  show(words, kind = "news", link = null) {
    if ([...this.root.children].some((notice) => notice.dataset.words === words)) return;
    const close = element(
      "button",
      { class: "icon-button plain", type: "button", test: "notice-close", "aria-label": "Put this notice away" },
      icon("close"),
    );
    const mark = kind === "trouble" ? icon("warning") : kind === "chat" ? icon("chat") : null;
    const notice = element(
      "div",
      { class: `notice kind-${kind}`, test: "notice", data: { words } },
      mark,
      element("span", {}, words, link && leadTo(link)),
      close,
    );
    close.addEventListener("click", () => notice.remove());
    this.root.append(notice);
    while (this.root.children.length > MOST) this.root.firstElementChild.remove();
    setTimeout(() => notice.remove(), STAYS[kind] ?? STAYS.news);
  }

  /** Put away all of one kind: their reason is gone. */
  clear(kind) {
    for (const notice of this.root.querySelectorAll(`.kind-${kind}`)) notice.remove();
  }
}

function leadTo(link) {
  const shown = `${location.host}${link}`;
  return element("a", { href: link, target: "_blank", test: "recording-link" }, `The recording will be at ${shown}`);
}

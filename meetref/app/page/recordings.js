/**
 * The page of recordings begins here: a list at `/recordings`, one of them at `/recordings/NAME`.
 *
 * It looks again every two seconds while something is being put together. Nothing here knows who a person is: the
 * server tells by its cookie, or by the token in the fragment of a link.
 * Read next: `shelflist.js`, `film.js`.
 */

import { element } from "./elements.js";
import { Film } from "./film.js";
import { isUnfinished } from "./filmwords.js";
import { brand, icon } from "./icons.js";
import { ask, placeOf } from "./shelf.js";
import { List } from "./shelflist.js";

const LOOK_EVERY = 2000; // milliseconds

const app = document.getElementById("app");
const name = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const token = location.hash.slice(1);
const main = element("main", { class: "recordings" });
let next = 0;

app.append(
  element(
    "div",
    { class: "outside" },
    element(
      "header",
      { class: "outside-head" },
      element("a", { href: "/", class: "home-link", test: "home", "aria-label": "meetref, to the start page" }, brand()),
    ),
    main,
  ),
);

/** Show them, and look again while one becomes something. */
async function showList(view = null) {
  const { recordings } = await ask("/api/recordings");
  if (view === null) {
    view = new List({ retried: () => lookAgain(() => showList(view), 0) });
    main.replaceChildren(view.root);
  }
  view.draw(recordings);
  if (recordings.some(isUnfinished)) lookAgain(() => showList(view));
}

async function showOne(view = null) {
  const recording = await ask(placeOf(name), { token });
  if (view === null) {
    view = new Film({
      token,
      gone: () => location.assign("/recordings"),
      retried: () => lookAgain(() => showOne(view), 0),
    });
    main.replaceChildren(view.root);
  }
  await view.draw(recording);
  if (isUnfinished(recording)) lookAgain(() => showOne(view));
}

/** Later, and later again where the server cannot answer. There is one next look, whoever wanted it. */
function lookAgain(look, after = LOOK_EVERY) {
  clearTimeout(next);
  next = setTimeout(() => look().catch(() => lookAgain(look)), after);
}

function trouble({ status, message }) {
  const missing = status === 404;
  return element(
    "div",
    { class: "screen", test: "error", role: "alert" },
    element("span", { class: "screen-icon" }, icon(missing ? "record" : "warning")),
    element("h1", {}, missing ? "There is nothing to see here" : "That did not work"),
    element("p", { class: "lead" }, missing && !name ? "This server keeps no recordings." : message),
    element(
      "div",
      { class: "screen-actions" },
      missing && name && element("a", { class: "button primary", href: "/recordings", test: "all" }, "Your recordings"),
      !missing &&
        element(
          "button",
          { class: "button primary", type: "button", test: "retry", on: { click: () => location.reload() } },
          "Try again",
        ),
      element("a", { class: "button", href: "/", test: "start" }, "To the start page"),
    ),
  );
}

addEventListener("hashchange", () => location.reload());
(name ? showOne() : showList()).catch((refused) => main.replaceChildren(trouble(refused)));

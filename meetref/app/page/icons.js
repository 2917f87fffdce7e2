/**
 * The page's icons: drawn here as SVG paths on a 24 by 24 field, so that nothing is fetched.
 *
 * A drawing is a list of paths; those that begin with "!" are filled, the others are lines. Icons are decoration: they
 * are hidden from screen readers, and the button around them carries the words.
 * Read next: `elements.js`, `toolbar.js`.
 */

const MICROPHONE = [
  "M12 3.5a2.75 2.75 0 0 1 2.75 2.75v5a2.75 2.75 0 0 1-5.5 0v-5A2.75 2.75 0 0 1 12 3.5z",
  "M5.75 11.25a6.25 6.25 0 0 0 12.5 0",
  "M12 17.5v3",
];
const CAMERA = [
  "M5.5 6.5h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2z",
  "M15.5 11.2l4.2-2.7a.5.5 0 0 1 .8.4v6.2a.5.5 0 0 1-.8.4l-4.2-2.7",
];
const SCREEN = ["M5 4.5h14a2 2 0 0 1 2 2v8.5a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6.5a2 2 0 0 1 2-2z", "M8.5 20.5h7"];
const CAPTIONS = [
  "M5.5 5h13a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z",
  "M7 12h2.5M12.5 12H17M7 15.5h5.5M15.5 15.5H17",
];
const SLASH = "M4 4l16 16";

const DRAWINGS = {
  microphone: MICROPHONE,
  "microphone-off": [
    "M9.25 9.5v1.75a2.75 2.75 0 0 0 4.4 2.2M14.75 10.6V6.25a2.75 2.75 0 0 0-5.1-1.4",
    "M5.75 11.25a6.25 6.25 0 0 0 9.9 5.1M18.25 11.25a6.2 6.2 0 0 1-.7 2.9",
    "M12 17.5v3",
    SLASH,
  ],
  camera: CAMERA,
  "camera-off": [
    "M10.3 6.5h3.2a2 2 0 0 1 2 2v3l4.2-3a.5.5 0 0 1 .8.4v6.2a.5.5 0 0 1-.8.4l-1.2-.8",
    "M15.3 15.7a2 2 0 0 1-1.8 1.8h-8a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2h.8",
    SLASH,
  ],
  screen: [...SCREEN, "M12 13.6V8", "M9.6 10.2L12 7.8l2.4 2.4"],
  "screen-stop": [...SCREEN, "M9.9 8.65l4.2 4.2M14.1 8.65l-4.2 4.2"],
  chat: [
    "M5.5 4.75h13a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-6.4l-4.4 3.4a.4.4 0 0 1-.7-.3v-3.1H5.5a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2z",
    "M7.75 9.25h8.5M7.75 12.5h5.5",
  ],
  people: [
    "M9 5a3.25 3.25 0 1 1 0 6.5A3.25 3.25 0 0 1 9 5z",
    "M3 19.25a6 6 0 0 1 12 0",
    "M15.4 5.2a3.25 3.25 0 0 1 0 6.1",
    "M17.3 13.9a6 6 0 0 1 3.7 5.35",
  ],
  settings: [
    "M4 7h8.5M17.5 7H20M4 12h2.5M11.5 12H20M4 17h6.5M15.5 17H20",
    "M15 5a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
    "M9 10a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
    "M13 15a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  ],
  leave: [
    "!M12 8.6c4.9 0 9 2.5 9 5.6v1.5c0 .8-.8 1.4-1.6 1.2l-3-.8c-.6-.2-1-.7-1-1.3v-1.7c-2.2-.7-4.6-.7-6.8 0v1.7c0 .6-.4 1.1-1 1.3l-3 .8c-.8.2-1.6-.4-1.6-1.2v-1.5c0-3.1 4.1-5.6 9-5.6z",
  ],
  captions: CAPTIONS,
  "captions-off": [...CAPTIONS, SLASH],
  link: [
    "M10 13.9a3.9 3.9 0 0 0 5.6 0l3.1-3.1a3.95 3.95 0 0 0-5.6-5.6l-.9.9",
    "M14 10.1a3.9 3.9 0 0 0-5.6 0l-3.1 3.1a3.95 3.95 0 0 0 5.6 5.6l.9-.9",
  ],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  close: ["M6.5 6.5l11 11M17.5 6.5l-11 11"],
  send: [
    "M4.5 4.6l15.6 7a.45.45 0 0 1 0 .8l-15.6 7a.4.4 0 0 1-.55-.5L6.3 12 3.95 5.1a.4.4 0 0 1 .55-.5z",
    "M6.3 12h6.7",
  ],
  speaker: [
    "M4 9.6v4.8h3.2l4.3 3.7a.4.4 0 0 0 .6-.3V6.2a.4.4 0 0 0-.6-.3L7.2 9.6z",
    "M15.3 9.2a4 4 0 0 1 0 5.6",
    "M17.8 6.7a7.5 7.5 0 0 1 0 10.6",
  ],
  warning: [
    "M12 4.2l8.6 15a.6.6 0 0 1-.5.9H3.9a.6.6 0 0 1-.5-.9l8.6-15z",
    "M12 10v4.5",
    "!M12 16a1 1 0 1 1 0 2 1 1 0 0 1 0-2z",
  ],
  door: ["M13.5 4h-7a1 1 0 0 0-1 1v14a1 1 0 0 0 1 1h7", "M10.5 12h10M17 8.5l3.5 3.5-3.5 3.5"],
  details: ["M9.5 6l6 6-6 6"],
  back: ["M14.5 6l-6 6 6 6"],
  pin: ["M8.5 4h7M9.5 4l.4 6.2L7 13.5v1.6h10v-1.6l-2.9-3.3.4-6.2", "M12 15.2V20.5"],
  grid: [
    "M5 4.75h4.5a.5.5 0 0 1 .5.5v4.5a.5.5 0 0 1-.5.5H5a.5.5 0 0 1-.5-.5v-4.5a.5.5 0 0 1 .5-.5z",
    "M14.5 4.75H19a.5.5 0 0 1 .5.5v4.5a.5.5 0 0 1-.5.5h-4.5a.5.5 0 0 1-.5-.5v-4.5a.5.5 0 0 1 .5-.5z",
    "M5 13.75h4.5a.5.5 0 0 1 .5.5v4.5a.5.5 0 0 1-.5.5H5a.5.5 0 0 1-.5-.5v-4.5a.5.5 0 0 1 .5-.5z",
    "M14.5 13.75H19a.5.5 0 0 1 .5.5v4.5a.5.5 0 0 1-.5.5h-4.5a.5.5 0 0 1-.5-.5v-4.5a.5.5 0 0 1 .5-.5z",
  ],
  focus: [
    "M4.5 4.75h10a1 1 0 0 1 1 1v12.5a1 1 0 0 1-1 1h-10a1 1 0 0 1-1-1V5.75a1 1 0 0 1 1-1z",
    "M18.5 5.25h2M18.5 10.75h2M18.5 13.25h2M18.5 18.75h2M18.5 5.25v5.5M20.5 5.25v5.5M18.5 13.25v5.5M20.5 13.25v5.5",
  ],
  record: ["M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16z", "!M12 8.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z"],
  plus: ["M12 5.5v13M5.5 12h13"],
};

const SVG = "http://www.w3.org/2000/svg";

/** One icon as an SVG element. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  drawing.dataset.icon = name;
  drawing.append(...paths(name));
  return drawing;
}

/** Make an icon show another drawing; nothing happens when it already does. */
export function change(drawing, name) {
  if (drawing.dataset.icon === name) return;
  drawing.dataset.icon = name;
  drawing.replaceChildren(...paths(name));
}

function paths(name) {
  return DRAWINGS[name].map((line) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line.replace("!", ""));
    path.setAttribute("class", line.startsWith("!") ? "filled" : "line");
    return path;
  });
}

/** The mark of the product, with its name in words beside it. */
export function brand() {
  const image = document.createElement("img");
  image.src = "/page/icon.svg";
  image.alt = "";
  const mark = document.createElement("span");
  mark.className = "brand";
  mark.append(image, "meetref");
  return mark;
}

/** The way to the page of recordings, at the end of a head. */
export function recordingsLink() {
  const link = document.createElement("a");
  link.href = "/recordings";
  link.className = "link head-link";
  link.dataset.test = "recordings-link";
  link.textContent = "Recordings";
  return link;
}

"use strict";
// Shows the field that was chosen, and moves. What there is to know of each field stands in #told: n name, v value,
// w why, p parent, o offset, l length, c piece (first octet, whole length), s steps (f formula, i inputs, r result, e ends).
const told = JSON.parse(document.getElementById("told").textContent);
const panel = document.getElementById("panel");
const blocks = [...document.querySelectorAll(".octets")];
const fields = [...document.querySelectorAll(".octets > span")];
const LARGEST_MARKED = 200; // octets: around a field, what is larger would be marked from here to there
const numberOf = (span) => Number(span.id.slice(1));
let chosen = null;

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function wayTo(number) {
  const way = [];
  for (let at = number; at !== undefined; at = told[at].p) way.unshift(at);
  return way;
}

function isInside(number, group) {
  for (let at = number; at !== undefined; at = told[at].p) if (at === group) return true;
  return false;
}

function hexOf(spans, first) {
  const octets = spans.flatMap((span) => [...span.querySelectorAll("i")].map((each) => each.textContent));
  return octets.length > first ? `${octets.slice(0, first).join(" ")} ... (${octets.length} octets)` : octets.join(" ");
}

function written(steps) {
  const list = make("ol");
  for (const step of steps) {
    const item = make("li"), inputs = make("dl");
    item.append(make("code", "", step.f));
    for (const [name, value] of step.i) inputs.append(make("dt", "", name), make("dd", "", value));
    const result = make("dd", "result", step.r);
    if (step.e) result.append(" ", make("b", "equal", "these octets"));
    inputs.append(make("dt", "", "="), result);
    item.append(inputs);
    list.append(item);
  }
  return list;
}

function where(field, root, octet) {
  const last = field.o + field.l - 1;
  let words = field.l === 1 ? `Octet ${field.o}` : `Octets ${field.o} to ${last}`;
  if (field.c) words += `: ${field.c[0]} to ${field.c[0] + field.l - 1} of ${field.c[1]}, the rest is in another fragment`;
  if (octet !== null && field.l > 1) words += `; you chose number ${octet - field.o + 1} of ${field.l}`;
  return `${words}. ${told[root].n[0].toUpperCase()}${told[root].n.slice(1)}.`;
}

function stepButtons() {
  const buttons = make("div", "step-buttons");
  for (const [sign, label, by] of [["←", "the field before", -1], ["→", "the next field", 1]]) {
    const button = make("button", "", sign);
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => move(by, false));
    buttons.append(button);
  }
  return buttons;
}

function show(number, octet) {
  const field = told[number], way = wayTo(number), root = way[0];
  const spans = fields.filter((span) => isInside(numberOf(span), number));
  const trail = make("div", "way");
  way.slice(0, -1).forEach((each, index) => {
    if (index) trail.append(" › ");
    const button = make("button", "", told[each].n);
    button.addEventListener("click", () => chooseGroup(each));
    trail.append(button);
  });
  panel.replaceChildren(stepButtons(), trail, make("h2", "", field.n));
  if (field.v) panel.append(make("p", "value", field.v));
  if (field.o !== undefined) panel.append(make("p", "where", where(field, root, octet)));
  if (field.w) panel.append(make("p", "", field.w));
  panel.append(make("div", "hex", hexOf(spans, 64)));
  if (field.s) panel.append(make("h3", "", "How it is computed"), written(field.s));
  for (const each of way.slice(1, -1).reverse()) {
    const around = told[each];
    if (!around.w && !around.s) continue;
    const box = make("div", "around");
    box.append(make("b", "", `Part of ${around.n}. `), around.w ?? "");
    if (around.s) box.append(written(around.s));
    panel.append(box);
  }
  panel.scrollTop = 0;
}

function mark(test) {
  for (const span of fields) span.classList.toggle("near", test(span));
}

function choose(span, octet = null, focus = true) {
  if (chosen) chosen.classList.remove("chosen");
  document.querySelectorAll("i.at").forEach((each) => each.classList.remove("at"));
  chosen = span;
  const number = numberOf(span), parent = told[number].p, root = told[wayTo(number)[0]];
  span.classList.add("chosen");
  for (const each of span.parentElement.children) each.tabIndex = each === span ? 0 : -1;
  if (octet !== null) span.children[octet - told[number].o].classList.add("at");
  mark((each) => each !== span && told[parent].l <= LARGEST_MARKED && isInside(numberOf(each), parent));
  show(number, octet);
  if (focus) span.focus({preventScroll: true});
  history.replaceState(null, "", `#${root.d}.${root.y}.${octet ?? told[number].o}`);
}

function chooseGroup(number) {
  if (chosen) chosen.classList.remove("chosen");
  mark((each) => isInside(numberOf(each), number));
  show(number, null);
}

function reveal(span) {
  const box = span.getBoundingClientRect(), low = innerWidth <= 860 ? innerHeight * 0.5 : innerHeight - 40;
  if (box.top < 20 || box.top > low) scrollBy({top: box.top - low / 2});
}

function move(by, focus = true) {
  const next = fields[Math.max(0, Math.min(fields.length - 1, fields.indexOf(chosen) + by))];
  choose(next, null, focus);
  reveal(next);
}

function moveBlock(by) {
  const at = blocks.indexOf(chosen.parentElement) + by;
  if (!blocks[at]) return;
  choose(blocks[at].children[0]);
  reveal(chosen);
}

document.addEventListener("click", (event) => {
  const span = event.target.closest(".octets > span");
  if (!span) return;
  const octet = event.target.closest("i");
  choose(span, octet ? told[numberOf(span)].o + [...span.children].indexOf(octet) : null);
});

document.addEventListener("focusin", (event) => {
  const span = event.target.closest(".octets > span");
  if (span && span !== chosen) choose(span, null, false);
});

const KEYS = {ArrowRight: () => move(1), ArrowLeft: () => move(-1), ArrowDown: () => moveBlock(1), ArrowUp: () => moveBlock(-1),
              Home: () => move(-fields.length), End: () => move(fields.length)};
document.addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.altKey || event.ctrlKey || event.metaKey || !event.target.closest(".octets")) return;
  event.preventDefault();
  KEYS[event.key]();
});

for (const block of blocks) block.children[0].tabIndex = 0;
const [datagram, layer, octet] = location.hash.slice(1).split(".").map(Number);
const asked = fields.find((span) => {
  const field = told[numberOf(span)], root = told[wayTo(numberOf(span))[0]];
  return root.d === datagram && root.y === layer && octet >= field.o && octet < field.o + field.l;
});
choose(asked ?? fields[0], null, false);
if (asked) reveal(asked);

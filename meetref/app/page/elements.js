/**
 * Makes DOM elements in one expression, and nothing cleverer.
 *
 * Text from people reaches the page only as text nodes, never as markup; styles are set by class or by CSSOM, because
 * the page's content security policy forbids style attributes. Everything a person can press or read is given a `test`
 * name, which becomes the attribute `data-test` (docs/page.md).
 * Read next: `icons.js`, `main.js`.
 */

/** An element; `properties` are attributes, except `class`, `test`, `on` (event handlers) and `data`. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "test") node.dataset.test = value;
    else if (name === "on") listen(node, value);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function listen(node, handlers) {
  for (const [event, handler] of Object.entries(handlers)) node.addEventListener(event, handler);
}

/** Write text only when it differs: a live region is read aloud again at every write. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set or take away an attribute, without touching it when nothing changes. */
export function attribute(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : value);
}

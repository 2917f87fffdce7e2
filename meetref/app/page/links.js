/**
 * Addresses in what people write: where they begin and end. Pure: nothing of the document.
 *
 * Only `http://` and `https://` count; what a sentence puts behind an address does not belong to it.
 * Read next: `chat.js`.
 */

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/giu;
const BEHIND = ".,;:!?'\u2026\u201d\u2019";

/** A text in pieces `{text, href}`, in order; `href` is null where there is no address. */
export function pieces(text) {
  const found = [];
  let done = 0;
  for (const { 0: match, index } of text.matchAll(ADDRESS)) {
    const address = ended(match);
    if (!URL.canParse(address)) continue;
    if (index > done) found.push({ text: text.slice(done, index), href: null });
    found.push({ text: address, href: address });
    done = index + address.length;
  }
  if (done < text.length) found.push({ text: text.slice(done), href: null });
  return found;
}

/** Without the full stop behind it, or the bracket that was opened before it. */
function ended(address) {
  let end = address.length;
  let unopened = address.split(")").length - address.split("(").length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1];
    if (last === ")" && unopened > 0) unopened -= 1;
    else if (!BEHIND.includes(last)) break;
  }
  return address.slice(0, end);
}

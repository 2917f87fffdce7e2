/**
 * Reads playlists of HLS, as far as our own server writes them: renditions, segments, parts, and what comes next.
 *
 * Pure: text in, plain objects out. Leaves out: keys, byte ranges, updates of a list (`EXT-X-SKIP`).
 * Read next: `track.js`.
 */

const ATTRIBUTE = /([A-Z0-9-]+)=("[^"]*"|[^,]*)/g;

/** An attribute list, quotes taken off. */
export function attributes(text) {
  return Object.fromEntries([...text.matchAll(ATTRIBUTE)].map(([, name, value]) => [name, value.replace(/^"|"$/g, "")]));
}

/** The list of all renditions: `variants`, the best first, and the addresses of the `sound` and the `captions`. */
export function readIndex(text) {
  const lines = text.split("\n");
  const variants = [];
  const beside = {};
  for (const [place, line] of lines.entries()) {
    if (line.startsWith("#EXT-X-MEDIA:")) {
      const { TYPE: type, URI: uri } = attributes(line.slice(line.indexOf(":") + 1));
      beside[type] = uri;
    }
    if (!line.startsWith("#EXT-X-STREAM-INF:")) continue;
    const about = attributes(line.slice(line.indexOf(":") + 1));
    const [width, height] = about.RESOLUTION.split("x").map(Number);
    variants.push({ uri: lines[place + 1], bandwidth: Number(about.BANDWIDTH), width, height, codecs: about.CODECS });
  }
  return { variants, sound: beside.AUDIO ?? null, captions: beside.SUBTITLES ?? null };
}

/**
 * A rendition: its parts in a row, each with the numbers of its segment and its place in it, and the wall clock of its
 * beginning in milliseconds. Of an older segment, whose parts are not listed, the whole is one part of place 0.
 */
export function readList(text) {
  const list = { target: 0, part: 0, initialization: "", parts: [], ended: false, next: { segment: 0, place: 0 } };
  let segment = 0;
  let at = 0;
  let length = 0;
  let listed = 0;
  for (const line of text.split("\n")) {
    const [tag, value] = [line.split(":", 1)[0], line.slice(line.indexOf(":") + 1)];
    if (tag === "#EXT-X-TARGETDURATION") list.target = Number(value);
    else if (tag === "#EXT-X-PART-INF") list.part = Number(attributes(value)["PART-TARGET"]);
    else if (tag === "#EXT-X-MEDIA-SEQUENCE") segment = Number(value);
    else if (tag === "#EXT-X-MAP") list.initialization = attributes(value).URI;
    else if (tag === "#EXT-X-PROGRAM-DATE-TIME") at = Date.parse(value);
    else if (tag === "#EXT-X-ENDLIST") list.ended = true;
    else if (tag === "#EXTINF") length = Number.parseFloat(value);
    else if (tag === "#EXT-X-PART") {
      const about = attributes(value);
      const duration = Number(about.DURATION);
      const independent = about.INDEPENDENT === "YES";
      list.parts.push({ segment, place: listed, uri: about.URI, duration, independent, at, whole: false });
      at += duration * 1000;
      listed += 1;
    } else if (line && !line.startsWith("#")) {
      if (!listed) list.parts.push({ segment, place: 0, uri: line, duration: length, independent: true, at, whole: true });
      segment += 1;
      listed = 0;
    }
  }
  list.next = { segment, place: listed };
  return list;
}

/** Where to begin: the last part that can be begun with and is at least `back` seconds from the end. */
export function beginning(list, back) {
  const last = list.parts.at(-1);
  if (!last) return null;
  const end = last.at + last.duration * 1000;
  const early = list.parts.filter((part) => part.independent && part.at <= end - back * 1000);
  return early.at(-1) ?? list.parts.find((part) => part.independent) ?? null;
}

/** Whether `part` comes at or behind `from`. */
export function isAtOrBehind(part, from) {
  return part.segment > from.segment || (part.segment === from.segment && part.place >= from.place);
}

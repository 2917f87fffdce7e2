/**
 * Where the tiles go: pure arithmetic from a number of tiles and the size of the stage to rectangles.
 *
 * All tiles of a grid have one shape: 16:9, or square where the stage is tall and squares have room. A grid takes the
 * number of columns that makes the tiles largest; two people on a wide stage are one large tile and one small (a duet);
 * a shared screen, or who is looked at, gets most of the stage and the people a strip beside or below. `gridRoom` and
 * `stripRoom` say how many tiles there are before faces become too small to know; who is beyond that is on another page.
 * Leaves out: who goes where, and the DOM; that is `stage.js`.
 * Read next: `stage.js`, tests/page/layout.test.mjs.
 */

export const SHAPE = 16 / 9;
const TALL = 1.2; // heights of a stage to its width, above which squares use it better
const SCREEN_SHAPE = 1.5; // the room for a shared screen on a tall stage
const LEVEL = 0.97; // tiles almost as large in more columns: wide rows look calmer than a tall heap
const SMALLEST = 148; // pixels of width; below, a grid scrolls instead
const COMFORTABLE = 176; // pixels of width on a wide stage, down to which tiles share a page

/** The largest 16:9 rectangle inside another, centred. */
export function fit({ x, y, width, height }, shape = SHAPE) {
  const wide = Math.max(0, Math.min(width, height * shape));
  const high = wide / shape;
  return { x: x + (width - wide) / 2, y: y + (height - high) / 2, width: wide, height: high };
}

/** How many columns make `count` tiles largest, and how large they are then. */
export function bestColumns(count, width, height, gap, shape = SHAPE) {
  let best = { columns: 1, width: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * shape;
    const tile = Math.min(byWidth, byHeight);
    if (tile > best.width * LEVEL) best = { columns, width: tile };
  }
  return best;
}

/** Rectangles of `count` tiles in an area, rows centred; `height` may be more than the area's: then it scrolls. */
export function grid(count, area, gap) {
  if (count === 0 || area.width <= 0 || area.height <= 0) return { tiles: [], height: area.height };
  const square = bestColumns(count, area.width, area.height, gap, 1);
  const shape = area.height > area.width * TALL && square.width >= SMALLEST ? 1 : SHAPE;
  let { columns, width } = bestColumns(count, area.width, area.height, gap, shape);
  if (width < SMALLEST && columns > 1) {
    columns = Math.min(count, Math.max(1, Math.floor((area.width + gap) / (SMALLEST + gap))));
    width = (area.width - gap * (columns - 1)) / columns;
  }
  const high = width / shape;
  const rows = Math.ceil(count / columns);
  const used = rows * high + gap * (rows - 1);
  const top = area.y + Math.max(0, (area.height - used) / 2);
  const tiles = [];
  for (let index = 0; index < count; index += 1) {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = area.x + (area.width - inRow * width - gap * (inRow - 1)) / 2;
    tiles.push({ x: left + (index % columns) * (width + gap), y: top + row * (high + gap), width, height: high });
  }
  return { tiles, height: Math.max(area.height, used) };
}

/** How many tiles of a grid fit on one page, at most `most`. */
export function gridRoom(area, gap, most) {
  const tall = area.height > area.width * TALL;
  for (let count = most; count > 1; count -= 1) {
    const { width } = bestColumns(count, area.width, area.height, gap, tall ? 1 : SHAPE);
    if (width >= (tall || area.width < 900 ? SMALLEST : COMFORTABLE)) return count;
  }
  return 1;
}

/** How many tiles the strip has beside or below the large one. */
export function stripRoom(area, gap, face) {
  const { columns, rows } = isWide(area) ? stripBeside(Infinity, area, gap) : stripBelow(Infinity, area, gap, face);
  return columns * rows;
}

const isWide = ({ width, height }) => width > height * 1.05;

/** One person large and oneself small in the corner: for two on a wide stage. The small one comes last. */
export function duet(area, gap) {
  const large = fit(area);
  const width = Math.max(160, Math.min(260, area.width * 0.2));
  const height = width / SHAPE;
  const small = {
    x: large.x + large.width - width - gap * 1.5,
    y: large.y + large.height - height - gap * 1.5,
    width,
    height,
  };
  return { tiles: [large, small], height: area.height };
}

/**
 * A shared screen, or a `face`, with people beside it (wide stage) or below it (tall stage), where a face is as tall as
 * it can be.
 *
 * `shown` says how many tiles the strip has room for: if not all, one place is kept free for "and N more".
 */
export function spotlight(count, area, gap, face = false) {
  const wide = isWide(area);
  const strip = wide ? stripBeside(count, area, gap) : stripBelow(count, area, gap, face);
  const { columns, rows, width, height } = strip;
  const room = columns * rows;
  const places = Math.min(count, room);
  const main = wide
    ? { ...area, width: area.width - (count ? columns * (width + gap) : 0) }
    : { ...area, height: Math.min(face ? Infinity : area.width / SCREEN_SHAPE, area.height - (count ? rows * (height + gap) : 0)) };
  const tiles = [];
  for (let index = 0; index < places; index += 1) {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, places - row * columns);
    const used = Math.ceil(places / columns) * (height + gap) - gap;
    const left = wide
      ? area.x + area.width - columns * (width + gap) + gap
      : area.x + (area.width - inRow * (width + gap) + gap) / 2;
    const top = wide ? area.y + (area.height - used) / 2 : main.y + main.height + gap;
    tiles.push({ x: left + (index % columns) * (width + gap), y: top + row * (height + gap), width, height });
  }
  return { main, tiles, shown: count > room ? room - 1 : count, height: area.height };
}

function stripBeside(count, area, gap) {
  const width = Math.max(136, Math.min(232, area.width * 0.18));
  const height = width / SHAPE;
  const rows = Math.max(1, Math.floor((area.height + gap) / (height + gap)));
  const columns = count > rows && area.width > 900 ? 2 : 1;
  if (columns === 1) return { columns, rows, width, height };
  const narrow = width * 0.75;
  return {
    columns,
    rows: Math.max(1, Math.floor((area.height + gap) / (narrow / SHAPE + gap))),
    width: narrow,
    height: narrow / SHAPE,
  };
}

function stripBelow(count, area, gap, face) {
  if (face) return rowsBelow(count, area, gap);
  const columns = Math.max(1, Math.min(count, Math.max(2, Math.floor((area.width + gap) / (140 + gap)))));
  const width = Math.min(200, (area.width - gap * (columns - 1)) / Math.max(2, columns));
  const height = width / SHAPE;
  const screen = Math.min(area.height * 0.6, area.width / SCREEN_SHAPE);
  const most = Math.max(1, Math.floor((area.height - screen) / (height + gap)));
  return { columns, rows: Math.min(most, Math.ceil(count / columns) || 1), width, height };
}

/** Below a face: one row of small tiles, two when there are more. */
function rowsBelow(count, area, gap) {
  const columns = Math.max(3, Math.floor((area.width + gap) / (150 + gap)));
  const width = (area.width - gap * (columns - 1)) / columns;
  return { columns, rows: count > columns ? 2 : 1, width, height: width / SHAPE };
}

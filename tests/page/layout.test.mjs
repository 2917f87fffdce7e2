// Where the tiles go: nothing overlaps, nothing leaves the stage, everything has one shape.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bestColumns, duet, fit, grid, gridRoom, SHAPE, spotlight, stripRoom } from "../../meetref/app/page/layout.js";

const STAGES = { desktop: [1368, 784], laptop: [1000, 560], phone: [374, 716], turned: [700, 300] };
const area = ([width, height]) => ({ x: 16, y: 16, width, height });

const apart = (one, other) =>
  one.x + one.width <= other.x + 0.5 ||
  other.x + other.width <= one.x + 0.5 ||
  one.y + one.height <= other.y + 0.5 ||
  other.y + other.height <= one.y + 0.5;

function proper(tiles, { x, y, width }, height) {
  for (const [index, tile] of tiles.entries()) {
    const shape = tile.width / tile.height;
    assert.ok([SHAPE, 1].some((known) => Math.abs(shape - known) < 0.01), "16:9 or square");
    assert.ok(Math.abs(shape - tiles[0].width / tiles[0].height) < 0.01, "one shape");
    assert.ok(tile.x >= x - 0.5 && tile.x + tile.width <= x + width + 0.5, "inside from left to right");
    assert.ok(tile.y >= y - 0.5 && tile.y + tile.height <= y + height + 0.5, "inside from top to bottom");
    for (const other of tiles.slice(index + 1)) assert.ok(apart(tile, other), "apart");
  }
}

test("a grid of 1 to 25 tiles fits, on every stage", () => {
  for (const size of Object.values(STAGES)) {
    for (let count = 1; count <= 25; count += 1) {
      const { tiles, height } = grid(count, area(size), 8);
      assert.equal(tiles.length, count);
      proper(tiles, area(size), height);
    }
  }
});

test("a wide stage never scrolls", () => {
  for (let count = 1; count <= 25; count += 1)
    assert.equal(grid(count, area(STAGES.desktop), 12).height, STAGES.desktop[1]);
});

test("a phone scrolls rather than show faces too small to know", () => {
  const { tiles, height } = grid(25, area(STAGES.phone), 8);
  assert.ok(tiles[0].width >= 148);
  assert.ok(height > STAGES.phone[1]);
});

test("tiles are square on a phone while squares have room, and never on a wide stage", () => {
  const shape = ([tile]) => Math.round((tile.width / tile.height) * 100) / 100;
  for (const count of [1, 2, 5, 8]) assert.equal(shape(grid(count, area(STAGES.phone), 8).tiles), 1);
  for (const count of [12, 25]) assert.equal(shape(grid(count, area(STAGES.phone), 8).tiles), 1.78);
  for (const count of [1, 2, 5, 25]) assert.equal(shape(grid(count, area(STAGES.desktop), 8).tiles), 1.78);
  const { tiles, height } = grid(5, area(STAGES.phone), 8);
  assert.equal(height, STAGES.phone[1], "five do not scroll");
  assert.ok(tiles[0].width > 180);
});

test("columns are those that make tiles largest", () => {
  assert.equal(bestColumns(4, 1600, 900, 0).columns, 2);
  assert.equal(bestColumns(9, 1600, 900, 0).columns, 3);
  assert.equal(bestColumns(25, 1600, 900, 0).columns, 5);
  assert.equal(bestColumns(2, 400, 900, 0).columns, 1);
});

test("the last row stands in the middle", () => {
  const { tiles } = grid(5, area(STAGES.desktop), 12);
  const [left, right] = tiles.slice(3);
  assert.ok(Math.abs(left.x - 16 - (16 + STAGES.desktop[0] - right.x - right.width)) < 1);
});

test("a duet is one large tile and one inside its corner", () => {
  const {
    tiles: [large, small],
  } = duet(area(STAGES.desktop), 12);
  assert.ok(small.x + small.width <= large.x + large.width && small.y + small.height <= large.y + large.height);
  assert.ok(small.width < large.width / 3);
});

test("a shared screen takes most of the stage, and the strip says how many it has room for", () => {
  for (const size of Object.values(STAGES)) {
    for (let count = 0; count <= 25; count += 1) {
      const { main, tiles, shown, height } = spotlight(count, area(size), 8);
      assert.ok(main.width * main.height > 0.3 * size[0] * size[1]);
      proper(tiles, area(size), height);
      for (const tile of tiles) assert.ok(apart(main, tile), "not over the screen");
      assert.ok(
        shown === count ? tiles.length === count : tiles.length === shown + 1,
        "one place is left for 'and N more'",
      );
    }
  }
});

test("a page holds as many as can be known by their faces, without scrolling", () => {
  for (const [name, size] of Object.entries(STAGES)) {
    const room = gridRoom(area(size), 8, 26);
    const { tiles, height } = grid(room, area(size), 8);
    assert.ok(room >= 6 && height === size[1], `${name}: ${room}`);
    assert.ok(tiles[0].width >= 148);
  }
  assert.equal(gridRoom(area(STAGES.phone), 8, 26), 8);
  assert.equal(gridRoom(area(STAGES.desktop), 12, 26), 26);
  assert.equal(gridRoom(area([50, 50]), 8, 26), 1, "there is always room for one");
});

test("a face is large with the others in a strip, as tall as a tall stage lets it", () => {
  for (const size of Object.values(STAGES)) {
    const room = stripRoom(area(size), 8, true);
    assert.ok(room >= 2);
    for (let count = 0; count <= room; count += 1) {
      const { main, tiles, shown, height } = spotlight(count, area(size), 8, true);
      assert.equal(shown, count, "what there is room for is shown");
      proper(tiles, area(size), height);
      for (const tile of tiles) assert.ok(apart(main, tile), "not over the face");
      assert.ok(main.width * main.height > 0.45 * size[0] * size[1]);
    }
  }
  const { main } = spotlight(3, area(STAGES.phone), 8, true);
  assert.ok(main.height > 600);
});

test("no stage, no tiles, no trouble", () => {
  assert.deepEqual(grid(0, area([100, 100]), 8).tiles, []);
  assert.deepEqual(grid(3, area([0, 0]), 8).tiles, []);
  assert.deepEqual(fit({ x: 0, y: 0, width: 160, height: 200 }), { x: 0, y: 55, width: 160, height: 90 });
});

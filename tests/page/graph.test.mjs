// Lines over the last minute: the newest at the right, the scale round, and nothing outside of the drawing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bitrate, count, percent, size } from "../../meetref/app/page/figures.js";
import { pathOf, roundUp, scaleOf } from "../../meetref/app/page/graph.js";

test("a scale ends at a round number", () => {
  assert.deepEqual([0, 1, 3, 7, 12, 199, 201, 500, 1_200_000].map(roundUp), [1, 1, 5, 10, 20, 200, 500, 500, 2_000_000]);
});

test("a far higher second line does not press the first one flat", () => {
  assert.equal(scaleOf([[[1, 100]], [[1, 180]]]), 200);
  assert.equal(scaleOf([[[1, 100]], [[1, 9000]]]), 500);
  assert.equal(scaleOf([[], [[1, 9000]]]), 10_000);
  assert.equal(scaleOf([]), 1);
});

test("points go from left to right, and stay within", () => {
  const line = [[60, 0], [30, 50], [0, 200]];
  const path = pathOf(line, 100);
  const points = [...path.matchAll(/[ML](\S+) (\S+?)(?=L|$)/gu)].map(([, x, y]) => [Number(x), Number(y)]);
  assert.deepEqual(points, [[0, 47], [120, 24], [240, 1]]);
  assert.ok(pathOf(line, 100, true).endsWith("L240.0 48Z"));
  assert.equal(pathOf([], 100), "");
});

test("figures as they are read", () => {
  const plain = (text) => text.replaceAll("\u00a0", " ");
  assert.deepEqual(
    [0, 999, 59_400, 999_499, 1_234_567, 12_345_678, 123_456_789, null, undefined].map(bitrate).map(plain),
    ["0 kbit/s", "1 kbit/s", "59 kbit/s", "999 kbit/s", "1.23 Mbit/s", "12.3 Mbit/s", "123 Mbit/s", "–", "–"],
  );
  assert.deepEqual([0, 0.004, 0.0999, 0.3, null].map(percent).map(plain), ["0 %", "0.4 %", "10 %", "30 %", "–"]);
  assert.deepEqual([count(0), count(null)], ["0", "–"]);
  assert.equal(size({ width: 640, height: 360, frameRate: 29.97 }), "640×360, 30/s");
  assert.equal(size({ width: 640, height: 360 }), "640×360");
  assert.equal(size({ width: null }), "–");
});

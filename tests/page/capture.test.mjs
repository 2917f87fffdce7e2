// Where pictures stand in what is recorded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fit } from "../../meetref/app/page/capture.js";

const BOX = { x: 100, y: 50, width: 160, height: 90 };

test("a picture of the same shape fills its box", () => {
  assert.deepEqual(fit(1280, 720, BOX, true), BOX);
  assert.deepEqual(fit(1280, 720, BOX, false), BOX);
});

test("a tall one is cut, or stands in the middle", () => {
  assert.deepEqual(fit(90, 180, BOX, true), { x: 157.5, y: 50, width: 45, height: 90 });
  assert.deepEqual(fit(90, 180, BOX, false), { x: 100, y: -65, width: 160, height: 320 });
});

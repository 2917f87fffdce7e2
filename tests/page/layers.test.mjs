// What goes up: as many sizes as the picture has room for, and of those what somebody sees.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addSource, Encodings, scalesOf, SOURCES } from "../../meetref/app/page/layers.js";

/** A sender as browsers have them: parameters must be the newest ones, and setting them takes a moment. */
class Sender {
  constructor(encodings) {
    this.encodings = encodings.map((encoding) => ({ active: true, ...encoding }));
    this.version = 0;
    this.sets = 0;
  }

  getParameters() {
    return { transactionId: this.version, encodings: structuredClone(this.encodings) };
  }

  async setParameters({ transactionId, encodings }) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (transactionId !== this.version) throw new Error("InvalidStateError");
    this.version += 1;
    this.sets += 1;
    this.encodings = encodings;
  }

  get active() {
    return this.encodings.filter(({ active }) => active).map(({ rid }) => rid);
  }
}

const camera = () => new Sender(SOURCES.camera.encodings);

test("a camera goes up in three sizes, each cheaper than the next", () => {
  const { encodings } = SOURCES.camera;
  assert.deepEqual(
    encodings.map(({ rid }) => rid),
    ["q", "h", "f"],
  );
  assert.ok(encodings.every(({ maxBitrate }, index) => index === 0 || maxBitrate > 2 * encodings[index - 1].maxBitrate));
});

test("a browser without scalability modes is asked without", () => {
  const asked = [];
  const pc = {
    addTransceiver(kind, { sendEncodings }) {
      asked.push(sendEncodings);
      if (sendEncodings.some(({ scalabilityMode }) => scalabilityMode)) throw new Error("OperationError");
      return { kind };
    },
  };
  assert.deepEqual(addSource(pc, "camera"), { kind: "video" });
  assert.ok(asked[0].every(({ scalabilityMode }) => scalabilityMode === "L1T3"));
  assert.deepEqual(asked[1], SOURCES.camera.encodings);
  addSource(pc, "microphone");
  assert.equal(asked.length, 3);
});

test("where the browser makes three temporal layers the smallest picture takes more in all", async () => {
  const three = new Sender(SOURCES.camera.encodings.map((encoding) => ({ ...encoding, scalabilityMode: "L1T3" })));
  const two = camera();
  const rates = (sender) => sender.encodings.map(({ maxBitrate }) => maxBitrate);
  for (const sender of [three, two]) await new Encodings(sender, "camera").fit({ width: 1280, height: 720 });
  assert.deepEqual(rates(two), rates(camera()));
  assert.ok(rates(three)[0] > rates(two)[0]);
  assert.deepEqual(rates(three).slice(1), rates(two).slice(1));
});

test("what the server does not use is switched off, and on again at once", async () => {
  const sender = camera();
  const encodings = new Encodings(sender, "camera");
  assert.equal(encodings.used, true);
  await encodings.keep(["h"]);
  assert.deepEqual(sender.active, ["h"]);
  await encodings.keep([]);
  assert.deepEqual(sender.active, []);
  assert.equal(encodings.used, false);
  await encodings.keep(["q", "h", "f"]);
  assert.deepEqual(sender.active, ["q", "h", "f"]);
});

test("changes that come at the same time wait for each other, and the last one counts", async () => {
  const sender = camera();
  const encodings = new Encodings(sender, "camera");
  await Promise.all([encodings.keep(["q"]), encodings.fit({ width: 1280, height: 720 }), encodings.keep(["f"])]);
  assert.deepEqual(sender.active, ["f"]);
  await encodings.keep(["f"]);
  assert.equal(sender.sets <= 3, true, "what is so already is not set again");
});

test("what a browser refuses leaves the rest as it was", async () => {
  const sender = camera();
  const encodings = new Encodings(sender, "camera");
  const set = sender.setParameters;
  sender.setParameters = () => Promise.reject(new Error("InvalidModificationError"));
  await encodings.keep(["q"]);
  assert.deepEqual(sender.active, ["q", "h", "f"]);
  sender.setParameters = set;
  await encodings.apply();
  assert.deepEqual(sender.active, ["q"], "and it is tried again with the next answer");
});

test("a small picture goes up in fewer sizes, and always as it is", async () => {
  for (const [width, height, names] of [
    [1920, 1080, ["q", "h", "f"]],
    [960, 540, ["q", "h", "f"]],
    [540, 960, ["q", "h", "f"]],
    [640, 360, ["q", "h"]],
    [320, 240, ["q"]],
  ]) {
    const sender = camera();
    await new Encodings(sender, "camera").fit({ width, height });
    assert.deepEqual(sender.active, names);
    assert.equal(Math.min(...sender.encodings.filter(({ active }) => active).map((each) => each.scaleResolutionDownBy)), 1);
  }
  assert.deepEqual(scalesOf("camera", {}), scalesOf("camera", { width: 1280, height: 720 }), "a size that is not told is a large one");
});

test("a small window is shared as it is", async () => {
  for (const [width, names] of [
    [1280, ["h", "f"]],
    [300, ["h"]],
  ]) {
    const sender = new Sender(SOURCES.screen.encodings);
    await new Encodings(sender, "screen").fit({ width, height: 300 });
    assert.deepEqual(sender.active, names);
    assert.equal(Math.min(...sender.encodings.filter(({ active }) => active).map((each) => each.scaleResolutionDownBy)), 1);
  }
});

test("a picture that grows comes in more sizes again, as far as somebody sees them", async () => {
  const sender = camera();
  const encodings = new Encodings(sender, "camera");
  await encodings.fit({ width: 640, height: 360 });
  await encodings.keep(["h", "f"]);
  assert.deepEqual(sender.active, ["h"]);
  await encodings.fit({ width: 1280, height: 720 });
  assert.deepEqual(sender.active, ["h", "f"]);
});

test("the one encoding of a source without names is called by the empty text", async () => {
  const sender = new Sender([{ maxBitrate: 1 }]);
  const encodings = new Encodings(sender, "microphone");
  await encodings.fit({});
  await encodings.keep([]);
  assert.equal(sender.encodings[0].active, false);
  await encodings.keep([""]);
  assert.equal(sender.encodings[0].active, true);
  assert.equal("scaleResolutionDownBy" in sender.encodings[0], false);
});

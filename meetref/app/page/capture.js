/**
 * What the page shows and plays, as one picture and one sound.
 *
 * The tiles are painted on a canvas, where they stand on the stage, with their names; everybody's sound, one's own
 * microphone and what one shares are mixed. Both make one stream, for whoever records it.
 * Leaves out: controls, words over the stage, the chat: what is recorded is the people and their screens.
 * Read next: `ownrecording.js`, `stage.js`.
 */

export const WIDTH = 1280;
export const HEIGHT = 720;
export const FRAMES = 20; // a second
const BACKGROUND = "#101418";
const EMPTY = "#2a323a";
const LABEL = 18; // pixels, the height of the letters of a name

/** Where a picture of `width` by `height` stands in a box: all of it, or as much as fills the box. */
export function fit(width, height, box, whole) {
  const scale = (whole ? Math.min : Math.max)(box.width / width, box.height / height);
  return {
    x: box.x + (box.width - width * scale) / 2,
    y: box.y + (box.height - height * scale) / 2,
    width: width * scale,
    height: height * scale,
  };
}

/** `scene()` says what is on the stage now (`Stage.shown`), `tracks()` which sounds there are. */
export class Capture {
  constructor(scene, tracks) {
    Object.assign(this, { scene, tracks });
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas, { width: WIDTH, height: HEIGHT });
    this.paint = this.canvas.getContext("2d", { alpha: false });
    this.context = new AudioContext();
    this.mixed = this.context.createMediaStreamDestination();
    this.sources = new Map();
    this.context.resume().catch(() => {});
    this.#draw();
    this.stream = new MediaStream([
      ...this.canvas.captureStream(FRAMES).getVideoTracks(),
      ...this.mixed.stream.getAudioTracks(),
    ]);
    this.clock = new Worker(new URL("./ticker.js", import.meta.url), { type: "module" });
    this.clock.addEventListener("message", () => this.#tick());
    this.clock.postMessage(1000 / FRAMES);
  }

  close() {
    this.clock.terminate();
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close().catch(() => {});
  }

  #tick() {
    this.#draw();
    this.#listen();
  }

  /** Mix what there is to hear now; tracks come and go with people and devices. */
  #listen() {
    const wanted = new Set(this.tracks());
    for (const [track, source] of this.sources) {
      if (wanted.has(track)) continue;
      source.disconnect();
      this.sources.delete(track);
    }
    for (const track of wanted) {
      if (this.sources.has(track)) continue;
      const source = this.context.createMediaStreamSource(new MediaStream([track]));
      source.connect(this.mixed);
      this.sources.set(track, source);
    }
  }

  #draw() {
    const { paint } = this;
    paint.fillStyle = BACKGROUND;
    paint.fillRect(0, 0, WIDTH, HEIGHT);
    const { width, height, tiles } = this.scene();
    if (!width || !height) return;
    const stage = fit(width, height, { x: 0, y: 0, width: WIDTH, height: HEIGHT }, true);
    const scale = stage.width / width;
    for (const tile of tiles) {
      const box = { x: stage.x + tile.x * scale, y: stage.y + tile.y * scale };
      this.#tile(tile, { ...box, width: tile.width * scale, height: tile.height * scale });
    }
  }

  #tile(tile, box) {
    const { paint } = this;
    paint.save();
    paint.beginPath();
    paint.rect(box.x, box.y, box.width, box.height);
    paint.clip();
    paint.fillStyle = EMPTY;
    paint.fillRect(box.x, box.y, box.width, box.height);
    const { videoWidth, videoHeight } = tile.video;
    if (tile.playing && videoWidth) {
      const place = fit(videoWidth, videoHeight, box, tile.fitted);
      if (tile.mirrored) {
        paint.setTransform(-1, 0, 0, 1, 2 * place.x + place.width, 0);
      }
      paint.drawImage(tile.video, place.x, place.y, place.width, place.height);
      paint.setTransform(1, 0, 0, 1, 0, 0);
    }
    this.#name(tile.name, box);
    paint.restore();
  }

  #name(name, box) {
    const { paint } = this;
    paint.font = `${LABEL}px system-ui, sans-serif`;
    paint.textBaseline = "middle";
    const width = Math.min(paint.measureText(name).width + LABEL, box.width);
    const y = box.y + box.height - 1.8 * LABEL;
    paint.fillStyle = "rgb(0 0 0 / 60%)";
    paint.fillRect(box.x, y, width, 1.8 * LABEL);
    paint.fillStyle = "white";
    paint.fillText(name, box.x + LABEL / 2, y + 0.9 * LABEL);
  }
}

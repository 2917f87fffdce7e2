// What the playlist readers of video.js find in playlists: one JSON line in, {"kind": "hls" | "dash", "text": ...}, one out.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { Parser } = require("m3u8-parser");
const { parse } = require("mpd-parser");

function read(question) {
  if (question.kind === "dash") {
    return parse(question.text, { manifestUri: "http://origin.example/live/list.mpd", NOW: question.now });
  }
  const parser = new Parser();
  parser.push(question.text);
  parser.end();
  return parser.manifest;
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(read(JSON.parse(line))));
}

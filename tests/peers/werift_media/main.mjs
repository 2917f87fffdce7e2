// What werift reads in payloads of video and sound: one JSON object a line in, one out.
//
//   {"what": "vp9" | "av1" | "red", "hex": "..."}
//
// Out: {"refused": "why"}, or what the library tells of it, under its own names; octets are hexadecimal.

import { createInterface } from "node:readline";
import { AV1RtpPayload, Red, Vp9RtpPayload } from "werift";

const hex = (octets) => Buffer.from(octets).toString("hex");

const readers = {
  vp9(payload) {
    const read = Vp9RtpPayload.deSerialize(payload);
    return { ...read, payload: undefined, size: payload.length - read.payload.length };
  },
  av1(payload) {
    const read = AV1RtpPayload.deSerialize(payload);
    return {
      Z: read.zBit_RtpStartsWithFragment,
      Y: read.yBit_RtpEndsWithFragment,
      W: read.w_RtpNumObus,
      N: read.nBit_RtpStartsNewCodedVideoSequence,
      keyframe: read.isKeyframe,
      elements: read.obu_or_fragment.map(({ data }) => hex(data.serialize ? data.serialize() : data)),
    };
  },
  red(payload) {
    const read = Red.deSerialize(payload);
    return {
      blocks: read.blocks.map(({ block, blockPT, timestampOffset }) => [blockPT, timestampOffset ?? null, hex(block)]),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let said;
  try {
    said = readers[asked.what](Buffer.from(asked.hex, "hex"));
  } catch (error) {
    said = { refused: String(error) };
  }
  console.log(JSON.stringify(said));
}

// Reads and writes journals as docs/journal.md says, and knows nothing else of them: a line of JSON in, one out.
// {"what": "recover", "hex": ...} is answered with {header, records, size, closed}, or {"nothing": true};
// {"what": "write", "header": text, "records": [[at, hex], ...], "end": at or null} with {hex}, or {"refused": true}.
import { createInterface } from "node:readline";

const MAGIC = "894d524a0d0a1a0a";
const OPENING = 16;
const HEAD = 14;

const TABLE = Array.from({ length: 256 }, (_, octet) => {
  let rest = octet;
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest >>> 0;
});

/** The register is kept as it is between the pieces: begun with ones, inverted only when it is asked for. */
class Crc {
  register = 0xffffffff;

  add(octets) {
    for (const octet of octets) this.register = (this.register >>> 8) ^ TABLE[(this.register ^ octet) & 255];
    return this;
  }

  get value() {
    return (this.register ^ 0xffffffff) >>> 0;
  }
}

function recover(data) {
  if (data.length < OPENING || data.subarray(0, 8).toString("hex") !== MAGIC || data.readUInt16BE(8) !== 1) return null;
  let end = OPENING + data.readUInt16BE(10);
  if (data.length < end) return null;
  const crc = new Crc().add(data.subarray(0, 12)).add(data.subarray(OPENING, end));
  if (crc.value !== data.readUInt32BE(12)) return null;
  const header = object(data.subarray(OPENING, end));
  if (header === null) return null;
  const records = [];
  for (;;) {
    const found = record(data, end, crc);
    if (found === null) return { header, records, size: end, closed: false };
    end += HEAD + found.content.length;
    if (found.content.length === 0) return { header, records, size: end, closed: true };
    records.push([found.at, found.content.toString("hex")]);
  }
}

function record(data, start, crc) {
  if (data.length < start + HEAD) return null;
  const length = data.readUInt16BE(start + 8);
  const content = data.subarray(start + HEAD, start + HEAD + length);
  if (content.length < length) return null;
  crc.add(data.subarray(start, start + 10)).add(content);
  return crc.value === data.readUInt32BE(start + 10) ? { at: Number(data.readBigUInt64BE(start)), content } : null;
}

function object(octets) {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(octets));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function write({ header, records, end }) {
  const text = Buffer.from(header);
  const head = Buffer.alloc(12);
  head.write(MAGIC, "hex");
  head.writeUInt16BE(1, 8);
  head.writeUInt16BE(text.length, 10);
  const crc = new Crc().add(head).add(text);
  const parts = [head, four(crc.value), text];
  for (const [at, hex] of records) {
    const content = Buffer.from(hex, "hex");
    if (content.length < 1 || content.length > 65535) return null;
    parts.push(...piece(at, content, crc));
  }
  if (end !== null) parts.push(...piece(end, Buffer.alloc(0), crc));
  return Buffer.concat(parts);
}

function piece(at, content, crc) {
  const head = Buffer.alloc(10);
  head.writeBigUInt64BE(BigInt(at));
  head.writeUInt16BE(content.length, 8);
  return [head, four(crc.add(head).add(content).value), content];
}

function four(number) {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(number);
  return octets;
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  if (question.what === "recover") console.log(JSON.stringify(recover(Buffer.from(question.hex, "hex")) ?? { nothing: true }));
  else {
    const octets = write(question);
    console.log(JSON.stringify(octets ? { hex: octets.toString("hex") } : { refused: true }));
  }
}

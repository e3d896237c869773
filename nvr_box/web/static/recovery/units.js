// Frame units, key units and manifests as they travel in SEI user data: `wire/recovery.md`, "Units". Layout only.
import { hex, sha256, u, WireError } from "./bytes.js";

export const UUID = "7e15c1a39d0b4f3e8b64d2a05c9e11f7";
export const FLAG = { payloadIdr: 1, sharedIdr: 2, payloadH265: 4, perTrack: 8 };
export const TAG = 12;
export const PICTURE = 12; // of the canonical hash, under seal
export const NAME = 2;
const VERSION = 2;
const KNOWN_FLAGS = 0x3f;
const HEADER = 6;
const KEY_HEAD = 36;
const MANIFEST_HEAD = 88;
const SIGNATURE = 64;
const LEAF = 8;
const KIDS = { 0: 1, 1: 2 }; // stanza kind: key identifiers in front of the sealed bytes

export async function parse(data) {
  if (data.length < 2) throw new WireError("recovery unit is cut off");
  if (data[1] !== VERSION) throw new WireError(`recovery unit of version ${data[1]}, this page speaks ${VERSION}`);
  if (data[0] === 1) return frame(data);
  if (data[0] === 2) return key(data);
  if (data[0] === 3) return manifest(data);
  throw new WireError(`recovery unit of type ${data[0]}`);
}

// LEB128. Above 2^53 the value is rounded: lengths and times of such size fit nothing anyway.
function varint(data, at) {
  for (let i = 0, value = 0; i < 9; i++) {
    if (at + i >= data.length) throw new WireError("number is cut off");
    const byte = data[at + i];
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return [value, at + i + 1];
  }
  throw new WireError("number above 63 bits");
}

function signed(data, from) {
  const [number, at] = varint(data, from);
  return [number % 2 ? -Math.floor(number / 2) - 1 : number / 2, at];
}

function frame(data) {
  if (data.length < HEADER) throw new WireError("frame unit is cut off");
  const flags = data[2];
  if (flags & ~KNOWN_FLAGS) throw new WireError("frame unit with unknown flags");
  let since_us, at, count;
  [since_us, at] = signed(data, HEADER);
  [, at] = signed(data, at); // drift of the presentation time
  const head = data.subarray(0, at);
  const chunks = [];
  if (flags & FLAG.perTrack) {
    [count, at] = varint(data, at);
    for (let i = 0; i < count; i++) {
      const name = data.subarray(at, at + NAME);
      let size;
      [size, at] = varint(data, at + NAME);
      if (size < TAG || at + size > data.length) throw new WireError(`chunk of ${size} bytes`);
      chunks.push({ name, sealed: data.subarray(at, at + size) });
      at += size;
    }
  }
  if (data.length - at < PICTURE + TAG) throw new WireError("frame unit is cut off");
  const header = { flags, gop: data[3], index: u(data, 4, 2), since_us };
  return { kind: "frame", header, head, chunks, bound: data.subarray(0, at), sealed: data.subarray(at), whole: data };
}

async function key(data) {
  if (data.length < KEY_HEAD) throw new WireError("key unit is cut off");
  if (data[3]) throw new WireError("key unit with unknown flags");
  const { stanzas, at } = parseStanzas(data, KEY_HEAD, data[2]);
  if (at !== data.length) throw new WireError("bytes after the last key stanza");
  return {
    kind: "key",
    gopId: u(data, 4, 4),
    cameraId: data.subarray(8, 16),
    salt: data.subarray(16, 20),
    utc_us: u(data, 20, 8),
    firstSeq: u(data, 32, 4),
    stanzas,
    hash: (await sha256(data)).subarray(0, 16),
  };
}

// `count` stanzas from `from` on, and where they end; unknown kinds are left out.
export function parseStanzas(data, from, count) {
  const stanzas = [];
  let at = from;
  for (let number = 0; number < count; number++) {
    if (at + 3 > data.length) throw new WireError("key stanza is cut off");
    const kind = data[at];
    const size = u(data, at + 1, 2);
    const body = data.subarray(at + 3, at + 3 + size);
    if (body.length < size) throw new WireError("key stanza is cut off");
    const cut = (KIDS[kind] ?? 0) * 8;
    if (size < cut) throw new WireError("key stanza shorter than its key identifiers");
    if (cut)
      stanzas.push({
        kids: Array.from({ length: cut / 8 }, (_, i) => hex(body.subarray(8 * i, 8 * i + 8))),
        sealed: body.subarray(cut),
      });
    at += 3 + size;
  }
  return { stanzas, at };
}

async function manifest(data) {
  if (data.length < MANIFEST_HEAD + SIGNATURE) throw new WireError("manifest is cut off");
  const flags = u(data, 2, 2);
  if (flags > 1) throw new WireError("manifest with unknown flags");
  const frames = u(data, 16, 2);
  if (data.length !== MANIFEST_HEAD + SIGNATURE + (flags ? LEAF * frames : 0))
    throw new WireError("manifest of another length");
  return {
    kind: "manifest",
    cameraId: data.subarray(4, 12),
    gopId: u(data, 12, 4),
    frames,
    masked: u(data, 18, 2),
    firstSeq: u(data, 20, 4),
    previous: data.subarray(24, 56),
    root: data.subarray(56, 88),
    signature: data.subarray(-SIGNATURE),
    signed: data.subarray(0, -SIGNATURE),
    hash: await sha256(data),
  };
}

const ZERO = new Uint8Array([0]);
const ONE = new Uint8Array([1]);

export const keyLeaf = (hash) => sha256(ZERO, hash);
export const frameLeaf = (picture, unit) => sha256(ZERO, picture, unit.whole);

// RFC 9162 2.1.1: split at the largest power of two below the number of leaves.
export async function merkleRoot(leaves) {
  if (leaves.length === 1) return leaves[0];
  const middle = 2 ** (31 - Math.clz32(leaves.length - 1));
  return sha256(ONE, await merkleRoot(leaves.slice(0, middle)), await merkleRoot(leaves.slice(middle)));
}

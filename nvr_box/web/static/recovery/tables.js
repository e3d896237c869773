// What is masked, macroblock by macroblock, and whose mask it is: `wire/recovery.md`, "Tables".
import { WireError } from "./bytes.js";

const MOST_SLOTS = 256;
const MOST_ZEROS = 20;

// Bits, the most significant of a byte first.
class Bits {
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  get bytesRead() {
    return Math.ceil(this.at / 8);
  }

  take(count) {
    if (this.at + count > 8 * this.data.length) throw new WireError("tables are cut off");
    let value = 0;
    for (const end = this.at + count; this.at < end; this.at++) {
      value = value * 2 + ((this.data[this.at >> 3] >> (7 - (this.at & 7))) & 1);
    }
    return value;
  }

  // Unsigned Exp-Golomb, H.264 9.1.
  ue() {
    let zeros = 0;
    while (!this.take(1)) if (++zeros > MOST_ZEROS) throw new WireError("number above 21 bits");
    return 2 ** zeros - 1 + this.take(zeros);
  }

  // Signed: 0, 1, -1, 2, -2, …
  se() {
    const number = this.ue();
    return number % 2 ? (number + 1) / 2 : -number / 2;
  }
}

// The tables at the head of `data` and how many bytes they take. `before` is null where decoding starts.
// {rows, columns, mask (row by row, 0 or 1), slots: Map of {track, class, level, x, y, w, h}}
export function decode(before, data) {
  const bits = new Bits(data);
  let { rows, columns, mask, slots } = before ?? {};
  if (before === null) {
    columns = bits.take(10) + 1;
    rows = bits.take(10) + 1;
    mask = new Uint8Array(rows * columns);
    slots = new Map();
  }
  mask = changed(bits, mask, rows, columns);
  slots = new Map(slots);
  for (let left = bits.ue(), slot = -1; left > 0; left--) {
    slot += 1 + bits.ue();
    if (slot >= MOST_SLOTS) throw new WireError(`object slot ${slot}`);
    const region = object(bits, slots.get(slot));
    if (region) slots.set(slot, checked(region, rows, columns));
    else slots.delete(slot);
  }
  return { tables: { rows, columns, mask, slots }, size: bits.bytesRead };
}

// Runs count down the columns, left to right; the mask is kept row by row.
function changed(bits, before, rows, columns) {
  const mask = before.slice();
  for (let left = bits.ue(), end = 0; left > 0; left--) {
    const start = end + bits.ue() * 8 + bits.take(3);
    end = start + bits.ue() + 1;
    if (end > mask.length) throw new WireError(`run of ${end - start} macroblocks at ${start} of ${mask.length}`);
    for (let at = start; at < end; at++) mask[(at % rows) * columns + Math.floor(at / rows)] ^= 1;
  }
  return mask;
}

// What becomes of a slot: its object, or null when it is gone.
function object(bits, before) {
  if (bits.take(1)) {
    if (!before) throw new WireError("an empty slot cannot move");
    const [x, y, w, h] = [bits.se(), bits.se(), bits.se(), bits.se()];
    return { ...before, x: before.x + x, y: before.y + y, w: before.w + w, h: before.h + h };
  }
  if (bits.take(1)) {
    const [kind, level, track] = [bits.take(4), bits.take(4), bits.take(32)];
    const [x, y, w, h] = [bits.ue(), bits.ue(), bits.ue(), bits.ue()];
    return { track, class: kind, level, x, y, w: w + 1, h: h + 1 };
  }
  if (!before) throw new WireError("a slot is empty already");
  return null;
}

function checked(region, rows, columns) {
  const { x, y, w, h } = region;
  if (x < 0 || y < 0 || x + w > columns || y + h > rows)
    throw new WireError(`object ${region.track} leaves the picture`);
  if (w < 1 || h < 1) throw new WireError(`object ${region.track} has no macroblock`);
  return region;
}

export const regions = (tables) => [...tables.slots].sort(([a], [b]) => a - b).map(([, region]) => region);

// From access units back to pictures: the base decoded, and the originals put in where they were opened. The rule of
// `wire/recovery.md`, "Player": where the payload could not be opened or its prediction is broken, the mosaic stays.
import { CODECS, codecString, join, split } from "./nal.js";
import { FLAG } from "./units.js";

const MACROBLOCK = 16;
const FOREIGN = "the originals are H.265, which this browser does not decode: let the box open them";

// One access unit in, a promise of its VideoFrame (or null) out. The receiver closes the frame.
class PictureDecoder {
  constructor(codecName) {
    this.waiting = []; // {at, settle}, in decoding order
    this.started = false;
    this.broken = false;
    this.decoder = new VideoDecoder({ output: (frame) => this.hear(frame), error: () => this.end() });
    this.decoder.configure({ codec: codecName, optimizeForLatency: true, hardwareAcceleration: "prefer-software" });
  }

  decode(au, at, { drop = false } = {}) {
    if (this.broken || this.decoder.state !== "configured") return Promise.resolve(null);
    return new Promise((resolve) => {
      this.waiting.push({
        at,
        settle: (frame) => {
          if (drop) frame?.close();
          resolve(drop ? null : frame);
        },
      });
      try {
        this.decoder.decode(new EncodedVideoChunk({ type: this.started ? "delta" : "key", timestamp: at, data: au }));
        this.started = true;
      } catch (error) {
        if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
        this.end();
      }
    });
  }

  hear(frame) {
    while (this.waiting.length && this.waiting[0].at < frame.timestamp) this.waiting.shift().settle(null);
    if (this.waiting[0]?.at === frame.timestamp) this.waiting.shift().settle(frame);
    else frame.close();
  }

  // Let out what is decoded, then nothing more.
  finish() {
    if (this.decoder.state === "configured")
      this.decoder.flush().then(
        () => this.end(),
        () => this.end(),
      );
    else this.end();
  }

  end() {
    this.broken = true;
    if (this.decoder.state !== "closed") this.decoder.close();
    for (const one of this.waiting.splice(0)) one.settle(null);
  }
}

// Follows one stream in order.
export class Composer {
  constructor(codec) {
    this.codec = codec;
    this.base = null;
    this.payloads = new Map(); // decoders by track; the common payload's under null
    this.start = null; // NAL units of the access unit that began the group of pictures
    this.count = 0;
  }

  // A promise of {frame, revealed, reason}, or of null when the base gives no picture. Calls may overlap; they settle
  // in order. `only`: restore the macroblocks of these tracks alone; null for everybody.
  compose(au, opened, only) {
    this.count += 2; // the odd numbers are for a payload's start
    const at = this.count;
    const nals = split(au);
    if (nals.some((nal) => this.codec.idr(this.codec.type(nal)))) {
      this.stopPayloads();
      this.start = nals;
      if (!this.base || this.base.broken) this.base = decoderFor(nals, this.codec);
    }
    const base = this.base ? this.base.decode(au, at) : Promise.resolve(null);
    if (opened.payload === null) this.stopPayloads();
    return this.put(base, opened.payload === null ? [] : this.originals(opened, at, only), opened);
  }

  finish() {
    this.base?.finish();
    this.stopPayloads();
  }

  end() {
    this.base?.end();
    for (const decoder of this.payloads.values()) decoder?.end();
  }

  stopPayloads() {
    for (const decoder of this.payloads.values()) decoder?.finish();
    this.payloads.clear();
  }

  // Every payload as {picture: a promise, rows, columns, mask: where it is to be shown}.
  originals(opened, at, only) {
    const { payload, tracks, tables } = opened;
    const { flags } = opened.header;
    const codec = flags & FLAG.payloadH265 ? CODECS.hevc : CODECS.h264;
    const found = [];
    if (payload.length && tables) {
      const alone = new Set(
        tracks.flatMap((one) => Array.from(one.tables.mask.keys()).filter((block) => one.tables.mask[block])),
      );
      const wanted = only ? maskOf(opened, only) : tables.mask;
      const picture = this.decode(null, payload, at, codec, flags & FLAG.payloadIdr, flags & FLAG.sharedIdr);
      found.push({ ...tables, picture, mask: wanted.map((shown, block) => (shown && !alone.has(block) ? 1 : 0)) });
    }
    for (const { track, payload: own, tables: where, start, shared } of tracks) {
      if (!own.length) continue;
      const picture = this.decode(track, own, at, codec, start, shared);
      found.push({
        ...where,
        picture,
        mask: !only || only.has(track) ? where.mask : new Uint8Array(where.mask.length),
      });
    }
    return found.map((one) => ({ ...one, foreign: codec === CODECS.hevc }));
  }

  decode(track, au, at, codec, start, shared) {
    if (start) {
      this.payloads.get(track)?.finish();
      const nals = split(au);
      const decoder = decoderFor(nals, codec);
      this.payloads.set(track, decoder);
      if (shared) decoder?.decode(sharedStart(nals, this.start ?? [], this.codec), at - 1, { drop: true });
    }
    return this.payloads.get(track)?.decode(au, at) ?? Promise.resolve(null);
  }

  async put(basePromise, originals, opened) {
    const [base, ...pictures] = await Promise.all([basePromise, ...originals.map(({ picture }) => picture)]);
    try {
      if (!base) return null;
      if (opened.payload === null) return { frame: base.clone(), revealed: false, reason: opened.reason };
      const layers = originals.map((one, at) => ({ ...one, picture: pictures[at] }));
      const wrong = layers.find(({ picture, rows, columns }) => !picture || !fits(picture, base, rows, columns));
      if (wrong) {
        const reason = opened.reason || (wrong.foreign ? FOREIGN : "the originals do not decode");
        return { frame: base.clone(), revealed: false, reason };
      }
      return { frame: layers.length ? await merge(base, layers) : base.clone(), revealed: true, reason: opened.reason };
    } finally {
      for (const frame of [base, ...pictures]) frame?.close();
    }
  }
}

function decoderFor(nals, codec) {
  const name = codecString(nals, codec);
  return name ? new PictureDecoder(name) : null;
}

// What a payload's decoder is given where it starts from the base's IDR picture: the payload's sequence parameter
// sets, because the following pictures need them; the base's picture parameter sets and slices, because the slices
// were coded with them.
function sharedStart(payload, base, codec) {
  const sets = payload.filter((nal) => codec.sets(codec.type(nal)) && !codec.pps(codec.type(nal)));
  const slices = base.filter((nal) => codec.vcl(codec.type(nal)) || codec.pps(codec.type(nal)));
  return join([...sets, ...slices]);
}

function fits(picture, base, rows, columns) {
  return (
    [picture, base].every(
      ({ visibleRect: { width, height } }) => width === columns * MACROBLOCK && height === rows * MACROBLOCK,
    ) &&
    picture.format === base.format &&
    (base.format === "I420" || base.format === "NV12")
  );
}

// Macroblocks of the wanted tracks that no other track shares.
export function maskOf({ regions, tables: { rows, columns, mask } }, only) {
  const wanted = new Uint8Array(rows * columns);
  for (const { track, x, y, w, h } of regions) {
    for (let row = y; row < y + h; row++) {
      for (let at = row * columns + x; at < row * columns + x + w; at++) wanted[at] |= only.has(track) ? 1 : 2;
    }
  }
  return wanted.map((who, at) => (who === 1 && mask[at] ? 1 : 0));
}

// `base` with the macroblocks under each layer's mask taken from its picture.
async function merge(base, layers) {
  const { width, height } = base.visibleRect;
  const columns = width / MACROBLOCK;
  const planes =
    base.format === "I420"
      ? [
          [0, width, 16, 16],
          [width * height, width / 2, 8, 8],
          [(width * height * 5) / 4, width / 2, 8, 8],
        ]
      : [
          [0, width, 16, 16],
          [width * height, width, 16, 8],
        ];
  const layout = planes.map(([offset, stride]) => ({ offset, stride }));
  const target = new Uint8Array((width * height * 3) / 2);
  const source = new Uint8Array((width * height * 3) / 2);
  await base.copyTo(target, { layout });
  for (const { picture, mask } of layers) {
    await picture.copyTo(source, { layout });
    for (const [offset, stride, across, down] of planes) {
      for (let block = mask.indexOf(1); block >= 0; block = mask.indexOf(1, block + 1)) {
        const left = offset + Math.floor(block / columns) * down * stride + (block % columns) * across;
        for (let at = left; at < left + down * stride; at += stride) target.set(source.subarray(at, at + across), at);
      }
    }
  }
  return new VideoFrame(target, {
    format: base.format,
    codedWidth: width,
    codedHeight: height,
    timestamp: base.timestamp,
    colorSpace: base.colorSpace,
    layout,
  });
}

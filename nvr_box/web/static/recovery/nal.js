// NAL units of H.264 and H.265 in Annex B, their SEI user data, and the hash that survives re-packaging.
// ITU-T H.264 (08/2021) 7.3.1, 7.3.2.3, D.1.7; H.265 (08/2021) 7.3.1, 7.3.5. Any bytes are zero or more NAL units.
import { big, concat, sha256, u, WireError } from "./bytes.js";

const START = new Uint8Array([0, 0, 0, 1]);
const USER_DATA_UNREGISTERED = 5;
const UUID_BYTES = 16;

// Of each codec: its header's length and what its NAL unit types mean.
export const CODECS = {
  h264: {
    name: "h264",
    header: 1,
    type: (nal) => (nal.length < 1 ? -1 : nal[0] & 0x1f),
    vcl: (kind) => kind >= 1 && kind <= 5,
    idr: (kind) => kind === 5,
    sei: (kind) => kind === 6,
    sps: (kind) => kind === 7,
    pps: (kind) => kind === 8,
    sets: (kind) => kind === 7 || kind === 8,
  },
  hevc: {
    name: "hevc",
    header: 2,
    type: (nal) => (nal.length < 2 ? -1 : (nal[0] >> 1) & 0x3f),
    vcl: (kind) => kind >= 0 && kind < 32,
    idr: (kind) => kind >= 16 && kind < 24,
    sei: (kind) => kind === 39 || kind === 40,
    sps: (kind) => kind === 33,
    pps: (kind) => kind === 34,
    sets: (kind) => kind >= 32 && kind <= 34,
  },
};

function trimmed(bytes) {
  let end = bytes.length;
  while (end && !bytes[end - 1]) end -= 1;
  return bytes.subarray(0, end);
}

// The NAL units without start codes and trailing zeros, as views.
export function split(stream) {
  const found = [];
  let start = -1;
  for (let at = stream.indexOf(1, 2); at >= 0; at = stream.indexOf(1, at + 1)) {
    if (stream[at - 1] || stream[at - 2]) continue;
    if (start >= 0) found.push(stream.subarray(start, at - 2));
    start = at + 1;
  }
  if (start >= 0) found.push(stream.subarray(start));
  return found.map(trimmed).filter((nal) => nal.length);
}

export const join = (nals) => concat(...nals.flatMap((nal) => [START, nal]));

export function rbspOf(ebsp) {
  const out = new Uint8Array(ebsp.length);
  let size = 0;
  for (let at = 0, zeros = 0; at < ebsp.length; at++) {
    if (zeros >= 2 && ebsp[at] === 3) {
      zeros = 0;
      continue;
    }
    zeros = ebsp[at] ? 0 : zeros + 1;
    out[size++] = ebsp[at];
  }
  return out.subarray(0, size);
}

// SHA-256, cut to 16 bytes, over u32 length and bytes of every VCL NAL unit in order.
export async function vclHash(nals, codec) {
  const slices = nals.filter((nal) => codec.vcl(codec.type(nal)));
  return (await sha256(...slices.flatMap((nal) => [big(nal.length, 4), nal]))).subarray(0, 16);
}

// Every user_data_unregistered message of one SEI NAL unit as {uuid, payload}.
export function userData(nal, codec) {
  const rbsp = rbspOf(nal.subarray(codec.header));
  const end = trimmed(rbsp).length - 1;
  const messages = [];
  let at = 0;
  const coded = () => {
    for (let value = 0; at < rbsp.length; ) {
      const byte = rbsp[at++];
      value += byte;
      if (byte !== 0xff) return value;
    }
    throw new WireError("SEI type or size field is cut off");
  };
  while (at < end) {
    const kind = coded();
    const size = coded();
    if (at + size > rbsp.length) throw new WireError(`SEI message of ${size} bytes is cut off`);
    if (kind === USER_DATA_UNREGISTERED) {
      if (size < UUID_BYTES) throw new WireError(`user data of ${size} bytes has no UUID`);
      messages.push({ uuid: rbsp.subarray(at, at + UUID_BYTES), payload: rbsp.subarray(at + UUID_BYTES, at + size) });
    }
    at += size;
  }
  return messages;
}

// What WebCodecs calls the codec of a stream with this sequence parameter set (RFC 6381 3.3); null for H.265.
export function codecString(nals, codec) {
  const sps = codec.name === "h264" && nals.find((nal) => codec.sps(codec.type(nal)));
  return sps && sps.length > 3 ? `avc1.${u(sps, 1, 3).toString(16).padStart(6, "0")}` : null;
}

// Opens what `wire/thumbnail.md` describes: a JPEG that shows a mask, the original sealed inside. It answers whatever the
// bytes say; the sentences are those of wire/thumbnail.py.
import { ascii, big, concat, fromHex, hex, SealError, sha256, u, WireError } from "./bytes.js";
import { parseStanzas } from "./units.js";

const NAME = concat(ascii("VEILCAM"), big(0, 1));
const VERSION = 1;
const HEAD = 36;
const TAG = 16;
const SIGNATURE = 64;
const KEY = 32;
const LARGEST = 2 ** 20;
const HPKE_INFO = ascii("veilcam thumbnail 1 key");
const CONTEXT = ascii("veilcam thumbnail 1 signature");
const [SOI, SOS, APP15] = [0xd8, 0xda, 0xef];
const withoutLength = (marker) => marker <= 1 || (marker >= 0xd0 && marker <= 0xd9);

// `identities`: Map by key id of what can open; `signingKey`: the camera's Ed25519 public key in hexadecimal, or null;
// `cameraId`: the camera's, hexadecimal: what another camera sealed stays masked; null opens any camera's.
// {masked, clear, reason}: `clear` is null where `masked` has to be shown, and `reason` says why.
export async function openThumbnail(data, identities, signingKey, cameraId = null) {
  let masked = data;
  const stays = (reason) => ({ masked, clear: null, reason });
  let unit;
  try {
    ({ masked, unit } = parse(data));
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return stays(`sealed original unreadable: ${error.message}`);
  }
  if (!unit) return stays("no sealed original in this picture");
  if (cameraId !== null && hex(unit.cameraId) !== cameraId) return stays("the sealed original is another camera's");
  const picture = await sha256(masked);
  if (signingKey && !(await signed(signingKey, unit, picture))) return stays("not signed by this camera");
  const key = await contentKey(unit.stanzas, identities);
  if (!key) return stays("sealed to other keys");
  try {
    const iv = new Uint8Array(12);
    const opened = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv, additionalData: concat(unit.bound, picture) },
      key,
      unit.sealed,
    );
    return { masked, clear: new Uint8Array(opened), reason: "" };
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return stays("the picture or its sealed original was altered");
  }
}

function parse(data) {
  if (data.length > LARGEST) throw new WireError(`a thumbnail of ${data.length} bytes`);
  const ours = segments(data).filter(
    ({ marker, at }) => marker === APP15 && NAME.every((byte, n) => data[at + 4 + n] === byte),
  );
  if (!ours.length) return { masked: data, unit: null };
  if (ours.length > 1) throw new WireError("more than one sealed original");
  const [{ at, end }] = ours;
  return { masked: concat(data.subarray(0, at), data.subarray(end)), unit: parseUnit(data.subarray(at + 4, end)) };
}

// Every segment before the first scan, ITU-T T.81 B.1.
function segments(data) {
  if (data[0] !== 0xff || data[1] !== SOI) throw new WireError("not a JPEG");
  const found = [];
  for (let at = 2; ; ) {
    if (at + 4 > data.length) throw new WireError("the JPEG is cut off");
    const marker = data[at + 1];
    if (data[at] !== 0xff || withoutLength(marker)) throw new WireError("no marker segment where one has to be");
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const end = at + 2 + u(data, at + 2, 2);
    if (end < at + 4 || end > data.length) throw new WireError("a JPEG segment is cut off");
    if (marker === SOS) return found;
    found.push({ marker, at, end });
    at = end;
  }
}

function parseUnit(data) {
  if (data.length < HEAD + SIGNATURE) throw new WireError("the sealed original is cut off");
  if (data[8] !== VERSION) throw new WireError(`sealed original of version ${data[8]}, this page speaks ${VERSION}`);
  const signed = data.subarray(0, -SIGNATURE);
  const { stanzas, at } = parseStanzas(signed, HEAD, data[9]);
  if (signed.length - at < TAG) throw new WireError("the sealed original is cut off");
  return {
    cameraId: data.subarray(10, 18),
    stanzas,
    bound: signed.subarray(0, at),
    sealed: signed.subarray(at),
    signed,
    signature: data.subarray(-SIGNATURE),
  };
}

async function signed(publicHex, unit, picture) {
  const key = await crypto.subtle.importKey("raw", fromHex(publicHex), { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, unit.signature, concat(CONTEXT, picture, unit.signed));
}

async function imported(bytes) {
  const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["decrypt"]);
  bytes.fill(0);
  return key;
}

async function contentKey(stanzas, identities) {
  for (const { kids, sealed } of stanzas) {
    const group = kids.map((kid) => identities.get(kid));
    if (group.includes(undefined)) continue;
    try {
      let bytes = sealed;
      for (const identity of group) bytes = await identity.open(bytes, HPKE_INFO);
      if (bytes.length !== KEY) continue;
      return await imported(bytes);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
    }
  }
  return null;
}

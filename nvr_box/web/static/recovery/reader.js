// Opens what `wire/recovery.md` describes and judges it. It answers whatever the bytes say, never shows originals
// that it cannot vouch for, and says why. The sentences are those of wire/recovery/reader.py.
import { ascii, big, concat, fromHex, hex, same, SealError, WireError } from "./bytes.js";
import { split, rbspOf, userData, vclHash } from "./nal.js";
import { decode, regions } from "./tables.js";
import { FLAG, frameLeaf, keyLeaf, merkleRoot, NAME, parse, PICTURE, TAG, UUID } from "./units.js";

export const NO_RECOVERY_DATA = "recovery data missing or removed";
export const NOT_A_RECIPIENT = "sealed to other keys";
const WAITING = "an access unit was lost: waiting for the next point where the originals can start";
const NO_KEY_UNIT = "the key unit of this group of pictures is missing";
const NOT_AUTHENTIC = "sealed originals do not authenticate";
const BASE_ALTERED = "the masked picture was altered after it was protected";
const LATE = "access unit repeated or late";
export const STREAM_RESTARTED =
  "the camera was restarted, or a part is missing: this number may be another person's here";
export const OTHER_CAMERA = "the recovery data is another camera's";
const OTHERS_ONLY = "nothing here is sealed to this key: the person is not in the picture";

const HPKE_INFO = ascii("veilcam recovery 2 key unit");
const MANIFEST_CONTEXT = ascii("veilcam recovery 2 manifest");
const TRACK_KEY = ascii("veilcam recovery 2 track key");
const TRACK_NAME = ascii("veilcam recovery 2 track name");
const START_CODE = new Uint8Array([0, 0, 0, 1]);
const [STARTS, SHARED] = [1, 2];
const of = (fact) => (fact === null ? "unknown" : fact ? "yes" : "no");

// A content key: it decrypts, and it derives the names and keys of objects; its bytes are not kept.
async function contentKey(bytes) {
  const aead = await gcm(bytes);
  const mac = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  bytes.fill(0);
  const expand = async (info, size) =>
    new Uint8Array(await crypto.subtle.sign("HMAC", mac, concat(info, big(1, 1)))).slice(0, size);
  return { aead, expand };
}

const gcm = (bytes) => crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["decrypt"]);

// What a tag does not fit is `NotAuthentic`.
class NotAuthentic extends Error {}

async function decrypted(key, iv, sealed, additionalData) {
  try {
    return new Uint8Array(
      await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData, tagLength: 8 * TAG }, key, sealed),
    );
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw new NotAuthentic();
  }
}

// An access unit out of one without its first start code, padding taken off.
function withStartCode(payload) {
  let end = payload.length;
  while (end && !payload[end - 1]) end -= 1;
  return end ? concat(START_CODE, payload.subarray(0, end)) : new Uint8Array();
}

// `identities`: Map by key id of what can open; `signingKey`: the camera's Ed25519 public key in hexadecimal, or null;
// `granted`: keys of single objects, Map by key_hash (hexadecimal) of [{name (hexadecimal), track, key}]. What is held
// for a case opens on the box alone. `cameraId`: the camera's, hexadecimal: what another camera sealed is not opened;
// null opens any camera's.
export class Reader {
  constructor(identities, codec, signingKey, granted = new Map(), cameraId = null) {
    this.identities = identities;
    this.granted = granted;
    this.codec = codec;
    this.signingKey = signingKey;
    this.cameraId = cameraId;
    this.gop = null;
    this.tables = null;
    this.trackTables = new Map();
    this.last = null;
    this.unplaced = 0;
    this.previousManifest = null;
    this.origin = "unknown";
    this.finished = [];
    this.part = 1; // of the stream: numbers of tracks hold within one
    this.before = null;
  }

  // One access unit in Annex B. `payload` is null where the mosaic has to be shown, empty when it holds nothing;
  // `tracks` are the objects with payloads of their own.
  async open(au) {
    const nals = split(au);
    let found;
    try {
      found = await Promise.all(this.messages(nals).map(parse));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return this.refuse(`recovery data unreadable: ${error.message}`, { authentic: "no" });
    }
    let manifest = null;
    for (const unit of found) {
      if (unit.kind === "manifest") {
        manifest = unit;
        await this.judge(unit);
      } else if (unit.kind === "key") {
        this.follows(unit, manifest);
        await this.start(unit);
      }
    }
    const frames = found.filter((unit) => unit.kind === "frame");
    if (!frames.length) return this.refuse(NO_RECOVERY_DATA);
    if (frames.length > 1) return this.refuse("more than one frame unit in an access unit", { authentic: "no" });
    return this.openFrame(frames[0], await vclHash(nals, this.codec));
  }

  // Groups of pictures that ended since the last call.
  takeVerdicts() {
    const finished = this.finished;
    this.finished = [];
    return finished;
  }

  messages(nals) {
    const found = nals
      .filter((nal) => this.codec.sei(this.codec.type(nal)))
      .flatMap((nal) => {
        try {
          return userData(nal, this.codec);
        } catch (error) {
          // A broken SEI without our identifier is somebody else's trouble.
          if (!(error instanceof WireError) || hex(rbspOf(nal)).includes(UUID)) throw error;
          return [];
        }
      });
    return found.filter((message) => hex(message.uuid) === UUID).map((message) => message.payload);
  }

  // The mosaic; and since the payload is predicted from picture to picture, the mosaic from here on.
  refuse(reason, { authentic = "unknown", complete = "no", header = null } = {}) {
    this.forgetTables();
    if (this.gop) {
      this.gop.gap ||= complete === "no";
      this.gop.unauthentic += authentic === "no" ? 1 : 0;
    }
    return this.masked(reason, this.verdict(authentic, "unknown", complete), header);
  }

  masked(reason, verdict, header) {
    return { payload: null, tracks: [], regions: [], tables: null, verdict, reason, header };
  }

  forgetTables() {
    this.tables = null;
    this.trackTables.clear();
  }

  verdict(authentic, baseIntact, complete) {
    return { authentic, baseIntact, complete, origin: this.origin };
  }

  async start(unit) {
    await this.close(null);
    const foreign = this.foreign(unit.cameraId);
    const key = foreign ? null : await this.contentKey(unit);
    this.gop = {
      unit,
      key,
      trackKeys: new Map(),
      seen: 0,
      unauthentic: 0,
      altered: 0,
      gap: false,
      leaves: [await keyLeaf(unit.hash)],
    };
    for (const { name, track, key: bytes } of (!foreign && this.granted.get(hex(unit.hash))) || [])
      this.keep(name, track, await gcm(bytes));
    this.forgetTables();
  }

  // Whether the camera says that this group of pictures goes on with the one before; if not, another part begins.
  follows(unit, manifest) {
    const { before } = this;
    this.before = unit;
    if (!before || same(unit.hash, before.hash)) return;
    const goesOn =
      manifest &&
      this.origin !== "no" &&
      same(manifest.cameraId, unit.cameraId) &&
      same(unit.cameraId, before.cameraId) &&
      manifest.gopId === before.gopId &&
      unit.gopId === (before.gopId + 1) % 2 ** 32 &&
      manifest.firstSeq === before.firstSeq &&
      unit.firstSeq === (before.firstSeq + manifest.frames) % 2 ** 32;
    if (!goesOn) this.part += 1;
  }

  async contentKey(unit) {
    for (const { kids, sealed } of unit.stanzas) {
      const holders = kids.map((kid) => this.identities.get(kid));
      if (holders.includes(undefined)) continue;
      try {
        let bytes = sealed;
        for (const identity of holders) bytes = await identity.open(bytes, HPKE_INFO);
        if (bytes.length === 32) return contentKey(bytes);
      } catch (error) {
        if (!(error instanceof SealError)) throw error;
      }
    }
    return null;
  }

  // Names are short and may coincide: every key under one is tried.
  keep(name, track, key) {
    const { trackKeys } = this.gop;
    trackKeys.set(name, [...(trackKeys.get(name) ?? []), { track, key }]);
  }

  async know(track) {
    const { key, trackKeys } = this.gop;
    if ([...trackKeys.values()].flat().some((known) => known.track === track)) return;
    const name = await key.expand(concat(TRACK_NAME, big(track, 4)), NAME);
    this.keep(hex(name), track, await gcm(await key.expand(concat(TRACK_KEY, big(track, 4)), 32)));
  }

  async openFrame(unit, picture) {
    const { header } = unit;
    const { gop } = this;
    if (!gop || header.gop !== gop.unit.gopId % 256) {
      this.unplaced += 1;
      return this.refuse(NO_KEY_UNIT);
    }
    const seq = gop.unit.firstSeq + header.index;
    const { complete, why } = this.follow(seq, gop.unit.utc_us + header.since_us);
    if (why === LATE) return this.refuse(LATE);
    gop.leaves.push(await frameLeaf(picture, unit));
    gop.seen += 1;
    const iv = concat(gop.unit.salt, big(seq, 8));
    try {
      if (!gop.key) return await this.openGranted(unit, iv, complete);
      const plain = await decrypted(
        gop.key.aead,
        iv,
        unit.sealed,
        concat(gop.unit.cameraId, unit.bound, gop.unit.hash),
      );
      const intact = same(plain.subarray(0, PICTURE), picture.subarray(0, PICTURE));
      if (!intact) gop.altered += 1;
      const reason = intact ? why : BASE_ALTERED;
      return await this.originals(unit, iv, plain.subarray(PICTURE), this.verdict("yes", of(intact), complete), reason);
    } catch (error) {
      if (!(error instanceof NotAuthentic)) throw error;
      return this.refuse(NOT_AUTHENTIC, { authentic: "no", complete, header });
    }
  }

  async originals(unit, iv, body, verdict, reason) {
    const { header } = unit;
    const whole = Boolean(header.flags & FLAG.payloadIdr) || header.index === 0;
    if (!whole && !this.tables) return this.masked(WAITING, verdict, header);
    let opened;
    let own;
    try {
      opened = decode(whole ? null : this.tables, body);
      if (unit.chunks.length) for (const { track } of regions(opened.tables)) await this.know(track);
      own = await this.openChunks(unit, iv);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      // It authenticates, so the camera wrote it: a fault of the writer, not of the road.
      this.forgetTables();
      return this.masked(`tables unreadable: ${error.message}`, verdict, header);
    }
    this.tables = opened.tables;
    if (own.waiting) return this.masked(WAITING, verdict, header);
    return {
      payload: withStartCode(body.subarray(opened.size)),
      tracks: own.tracks,
      regions: regions(opened.tables),
      tables: opened.tables,
      verdict,
      reason,
      header,
    };
  }

  // What somebody sees who holds keys of single objects and not the content key.
  async openGranted(unit, iv, complete) {
    const { header } = unit;
    const why = this.foreign(this.gop.unit.cameraId) ? OTHER_CAMERA : NOT_A_RECIPIENT;
    if (!this.gop.trackKeys.size) return this.masked(why, this.verdict("unknown", "unknown", complete), header);
    const verdict = this.verdict("yes", "unknown", complete);
    try {
      const { tracks, waiting } = await this.openChunks(unit, iv);
      if (!tracks.length)
        return this.masked(waiting ? WAITING : OTHERS_ONLY, this.verdict("unknown", "unknown", complete), header);
      return { payload: new Uint8Array(), tracks, regions: [], tables: null, verdict, reason: "", header };
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.trackTables.clear();
      return this.masked(`tables unreadable: ${error.message}`, verdict, header);
    }
  }

  // The objects whose keys are known, and whether one of them has to wait for its next start.
  async openChunks(unit, iv) {
    const { cameraId, hash } = this.gop.unit;
    const tracks = [];
    let waiting = false;
    for (const { name, sealed } of unit.chunks) {
      const keys = this.gop.trackKeys.get(hex(name));
      if (!keys) continue;
      const { track, plain } = await firstOpened(keys, iv, sealed, concat(cameraId, unit.head, hash, name));
      if (!plain.length) throw new WireError("an empty chunk");
      const start = Boolean(plain[0] & STARTS);
      const before = start ? null : this.trackTables.get(track);
      if (before === undefined) {
        waiting = true;
        continue;
      }
      const { tables, size } = decode(before, plain.subarray(1));
      this.trackTables.set(track, tables);
      tracks.push({
        track,
        payload: withStartCode(plain.subarray(1 + size)),
        tables,
        start,
        shared: Boolean(plain[0] & SHARED),
      });
    }
    return { tracks, waiting };
  }

  // Whether this access unit follows the last one; a gap ends prediction until the payload's next start.
  follow(seq, utc_us) {
    const { last, unplaced } = this;
    this.last = { seq, utc_us };
    this.unplaced = 0;
    if (!last) return { complete: "unknown", why: "" };
    if (seq === last.seq + 1)
      return { complete: "yes", why: utc_us < last.utc_us ? "the camera's clock was set back" : "" };
    if (this.gop?.seen && seq <= last.seq) {
      this.last = last;
      return { complete: "no", why: LATE };
    }
    this.forgetTables();
    if (this.gop) this.gop.gap = true;
    const lost = seq - last.seq - 1 - unplaced;
    return {
      complete: "no",
      why: lost > 0 ? `${lost} access units lost` : "the camera was restarted, or the stream jumped",
    };
  }

  async judge(manifest) {
    if (!this.gop || manifest.gopId !== this.gop.unit.gopId) this.previousManifest = manifest.hash;
    else await this.close(manifest);
  }

  async close(manifest) {
    const { gop } = this;
    this.gop = null;
    if (!gop) return;
    const whole = manifest !== null && !gop.gap && manifest.frames === gop.seen;
    const matches = manifest !== null && same(manifest.root, await merkleRoot(gop.leaves));
    let { origin, reason } = await this.originOf(manifest, gop.unit.cameraId);
    if (manifest && origin !== "no" && !matches && whole) {
      origin = "no";
      reason = "the signed manifest does not match what was received";
    }
    const intact = gop.altered ? false : matches || (gop.key && !gop.unauthentic && gop.seen) ? true : null;
    this.origin = origin;
    this.finished.push({
      gopId: gop.unit.gopId,
      seen: gop.seen,
      reason,
      verdict: {
        authentic: of(gop.key ? !gop.unauthentic : null),
        baseIntact: of(intact),
        complete: of(manifest ? whole : null),
        origin,
      },
    });
  }

  foreign(cameraId) {
    return this.cameraId !== null && hex(cameraId) !== this.cameraId;
  }

  async originOf(manifest, cameraId) {
    if (this.foreign(cameraId)) {
      this.previousManifest = manifest ? manifest.hash : null;
      return { origin: "no", reason: OTHER_CAMERA };
    }
    if (!manifest) {
      this.previousManifest = null;
      return { origin: "unknown", reason: "no manifest yet" };
    }
    const before = this.previousManifest;
    this.previousManifest = manifest.hash;
    if (!this.signingKey) return { origin: "unknown", reason: "the camera's signing key is not known" };
    if (!(await signed(this.signingKey, manifest)))
      return { origin: "no", reason: "manifest: not the camera's signature" };
    if (!same(manifest.cameraId, cameraId)) return { origin: "no", reason: "the manifest is another camera's" };
    if (before && !same(manifest.previous, before)) return { origin: "no", reason: "the chain of manifests is broken" };
    return { origin: "yes", reason: "" };
  }
}

async function firstOpened(keys, iv, sealed, about) {
  for (const { track, key } of keys) {
    try {
      return { track, plain: await decrypted(key, iv, sealed, about) };
    } catch (error) {
      if (!(error instanceof NotAuthentic)) throw error;
    }
  }
  throw new NotAuthentic();
}

async function signed(publicHex, manifest) {
  const key = await crypto.subtle.importKey("raw", fromHex(publicHex), { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, manifest.signature, concat(MANIFEST_CONTEXT, manifest.signed));
}

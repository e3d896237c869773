// The worker that opens a reveal: it alone holds the private keys, in memory, until the page ends it. Passphrases and
// key files come in; pictures go out. What it asks the box for are masked access units, and nothing goes with that.
//
// In:  {op: "unlock", files, days, proofs, passphrases}
//      {op: "play", number, address, signingKey, cameraId, from_us, point}    what played before ends
//      {op: "more", number, pictures}                               so many may be on their way or waiting
//      {op: "card", jpeg, signingKey, cameraId}                     a best shot; answered in the order of asking
// Out: {op: "unlocked", keys, proof} | {op: "refused", why}
//      {op: "card", picture} | {op: "card", why}
//      {op: "picture", number, frame, utc_us, revealed, reason, verdicts} | {op: "ended", number, code, why}
import { ascii, fromHex, hex, SealError, WireError } from "./bytes.js";
import { Composer } from "./compose.js";
import { unlock } from "./keyfile.js";
import { CODECS } from "./nal.js";
import { NO_RECOVERY_DATA, NOT_A_RECIPIENT, OTHER_CAMERA, Reader, STREAM_RESTARTED } from "./reader.js";
import { openThumbnail } from "./thumbnail.js";
import { us } from "../parts/times.js";

const NOTHING = {
  opened: 0,
  nothing_masked: 0,
  missing: 0,
  not_for_us: 0,
  damaged: 0,
  waiting: 0,
  base_altered: 0,
  unsigned: 0,
  reason: "",
};

let identities = new Map();
let verdicts = { ...NOTHING };
let current = null;

class Play {
  constructor({ number, address, signingKey, cameraId, from_us, point }) {
    this.number = number;
    this.signingKey = signingKey;
    this.cameraId = cameraId;
    this.from_us = from_us;
    this.point = point;
    this.only = point ? new Set() : null;
    this.units = [];
    this.credit = 0;
    this.over = null;
    this.reader = null; // both begin with the first unit, which names the codec
    this.composer = null;
    this.out = Promise.resolve();
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => this.hear(data);
    this.socket.onclose = ({ code, reason }) => {
      this.over = { code, why: reason };
      this.pump();
    };
  }

  hear(data) {
    if (typeof data === "string") {
      this.head = JSON.parse(data);
      return;
    }
    let at = 0;
    for (const { utc, size } of this.head.units) {
      this.units.push({ utc_us: us(utc), au: new Uint8Array(data, at, size), codec: this.head.codec });
      at += size;
    }
    this.units[this.units.length - 1].last = true;
    this.pump();
  }

  async pump() {
    if (this.busy) return;
    this.busy = true;
    while (this === current && this.credit > 0 && this.units.length) {
      this.credit -= 1;
      await this.open(this.units.shift());
    }
    this.busy = false;
    if (this !== current || !this.over || this.units.length) return;
    const { over } = this;
    this.over = null;
    this.composer?.finish();
    this.out.then(() => {
      if (this === current) postMessage({ op: "ended", number: this.number, ...over });
    });
  }

  async open({ utc_us, au, codec, last }) {
    this.reader ??= new Reader(identities, CODECS[codec], this.signingKey, undefined, this.cameraId);
    this.composer ??= new Composer(CODECS[codec]);
    let opened = await this.reader.open(au);
    if (this.point && utc_us >= this.from_us) {
      this.only = who(opened, this.point);
      this.point = null;
      this.part = this.reader.part;
    } else if (this.part !== undefined && this.part !== this.reader.part) {
      this.only = new Set();
      opened = { ...opened, reason: STREAM_RESTARTED };
    }
    const unsigned = this.reader.takeVerdicts().filter(({ verdict }) => verdict.origin !== "yes").length;
    const composed = this.composer.compose(au, opened, this.only);
    this.out = this.out.then(() => composed).then((picture) => this.show(picture, opened, utc_us, unsigned));
    if (last && this.socket.readyState === WebSocket.OPEN) this.socket.send('{"more": 1}');
  }

  show(picture, opened, utc_us, unsigned) {
    verdicts = counted(verdicts, opened, Boolean(picture?.revealed), unsigned);
    if (this !== current) {
      picture?.frame.close();
      return;
    }
    if (!picture) {
      this.credit += 1;
      this.pump();
      return;
    }
    const { frame, revealed, reason } = picture;
    postMessage({ op: "picture", number: this.number, frame, utc_us, revealed, reason, verdicts }, [frame]);
  }

  end() {
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.composer?.end();
  }
}

// The track whose region is at `point`, the smallest when several are; nobody when none is.
function who({ regions, tables }, [x, y]) {
  if (!tables) return new Set();
  const [column, row] = [x * tables.columns, y * tables.rows];
  const here = regions.filter(
    (one) => one.x <= column && column < one.x + one.w && one.y <= row && row < one.y + one.h,
  );
  return new Set(
    here
      .sort((a, b) => a.w * a.h - b.w * b.h)
      .slice(0, 1)
      .map(({ track }) => track),
  );
}

function counted(before, opened, revealed, unsigned) {
  const after = { ...before, unsigned: before.unsigned + unsigned, reason: opened.reason || before.reason };
  after[kind(opened, revealed)] += 1;
  if (opened.verdict.baseIntact === "no") after.base_altered += 1;
  return after;
}

function kind({ payload, tracks, reason, verdict }, revealed) {
  if (payload) return payload.length || tracks.length ? (revealed ? "opened" : "waiting") : "nothing_masked";
  if (reason === NO_RECOVERY_DATA) return "missing";
  if (reason === NOT_A_RECIPIENT || reason === OTHER_CAMERA) return "not_for_us";
  return verdict.authentic === "no" ? "damaged" : "waiting";
}

async function open({ files, days, proofs, passphrases }) {
  try {
    identities = await unlock(files, days, passphrases);
    postMessage({ op: "unlocked", keys: identities.size, proof: await proven(proofs) });
  } catch (error) {
    if (!(error instanceof SealError || error instanceof WireError)) throw error;
    postMessage({ op: "refused", why: error.message });
  }
}

// What the box sealed to the operator's key: who can say it holds the key.
async function proven(proofs) {
  for (const [kid, sealed] of Object.entries(proofs)) {
    const identity = identities.get(kid);
    if (identity) return hex(await identity.open(fromHex(sealed), ascii("veilcam proof 1")));
  }
  throw new SealError("this is not the reveal key that the box knows as yours");
}

let cards = Promise.resolve();

async function card({ jpeg, signingKey, cameraId }) {
  const { clear, reason } = await openThumbnail(new Uint8Array(jpeg), identities, signingKey, cameraId);
  if (!clear) {
    postMessage({ op: "card", why: reason });
    return;
  }
  try {
    const picture = await createImageBitmap(new Blob([clear], { type: "image/jpeg" }));
    postMessage({ op: "card", picture }, [picture]);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    postMessage({ op: "card", why: "its original is no picture" });
  }
}

self.onmessage = ({ data }) => {
  if (data.op === "unlock") open(data);
  else if (data.op === "card") cards = cards.then(() => card(data));
  else if (data.op === "play") {
    current?.end();
    current = new Play(data);
  } else if (data.op === "more" && data.number === current?.number) {
    current.credit += data.pictures;
    current.pump();
  }
};

// Reveals that this page opens itself: one worker each, which alone knows the keys. The box hands out what is sealed
// and what is masked; passphrases go from the form into the worker and nowhere else.
import { socketAddress, seg } from "./api.js";
import { iso } from "./times.js";

const PLAIN_H264 = "avc1.42001e";
const openers = new Map(); // by reveal

// Whether this browser has all it takes; asked once. A page that did not come over TLS or from this machine has not.
let able;
export function canOpen() {
  able ??= (async () => {
    if (!window.isSecureContext || !window.VideoDecoder || !crypto.subtle) return false;
    try {
      await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
      await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
      return (await VideoDecoder.isConfigSupported({ codec: PLAIN_H264, optimizeForLatency: true })).supported;
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      return false; // an older browser: the box opens reveals for it
    }
  })();
  return able;
}

// A best shot that these keys do not open.
export class SealedStill extends Error {}

export class Opener {
  // `answer`: the box's to a reveal that is to be opened here; `keys`: what came with it, sealed.
  constructor(answer, keys) {
    this.id = answer.id;
    this.keys = keys;
    this.signingKey = answer.signing_key;
    this.cameraId = answer.camera_id;
    this.point = answer.point;
    this.number = 0;
    this.verdicts = null;
    this.player = null;
    this.cards = []; // who waits for a best shot, in the order of asking
    this.worker = new Worker("/static/recovery/opener.js", { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => this.fail?.(new Error(event.message || "the page's own reader does not start"));
  }

  // Resolves with the proof for the box when a key is open; rejects with the sentence why none is. `file`: a key file
  // of the person's own.
  unlock(passphrases, file) {
    return new Promise((resolve, reject) => {
      this.done = resolve;
      this.fail = reject;
      const files = file ? [file] : this.keys.operators;
      this.worker.postMessage({ op: "unlock", files, days: this.keys.days, proofs: this.keys.proofs, passphrases });
      this.keys = null;
    });
  }

  // The box has granted it: from here on the page shows it.
  granted() {
    openers.set(this.id, this);
  }

  hear(data) {
    if (data.op === "unlocked") this.done(data.proof);
    else if (data.op === "refused") this.fail(new Error(data.why));
    else if (data.op === "picture") {
      this.verdicts = data.verdicts;
      if (this.player && data.number === this.number) this.player.hear(data);
      else data.frame.close();
    } else if (data.op === "card") {
      const { resolve, reject } = this.cards.shift();
      if (data.picture) resolve(data.picture);
      else reject(new SealedStill(data.why));
    } else if (data.op === "ended" && data.number === this.number) this.player?.end(data);
  }

  // Begin at `from_us` for `player`; what played before ends.
  play(player, from_us) {
    this.player = player;
    this.number += 1;
    const address = socketAddress(`/api/reveals/${seg(this.id)}/units?from=${seg(iso(from_us))}`);
    this.worker.postMessage({
      op: "play",
      number: this.number,
      address,
      signingKey: this.signingKey,
      cameraId: this.cameraId,
      from_us,
      point: this.point,
    });
  }

  // The original inside a best shot as an ImageBitmap; rejects with the sentence why it stays masked.
  card(jpeg) {
    return new Promise((resolve, reject) => {
      this.cards.push({ resolve, reject });
      this.worker.postMessage({ op: "card", jpeg, signingKey: this.signingKey, cameraId: this.cameraId }, [jpeg]);
    });
  }

  more(pictures) {
    this.worker.postMessage({ op: "more", number: this.number, pictures });
  }

  // The keys go with the worker.
  close() {
    this.worker.terminate();
    openers.delete(this.id);
  }
}

export const openerOf = (id) => openers.get(id);

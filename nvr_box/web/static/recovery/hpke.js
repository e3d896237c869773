// HPKE (RFC 9180), base mode, single shot, the opening side: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM,
// on WebCrypto. A private key is imported once, not extractable, and its bytes are forgotten.
import { ascii, big, concat, hex, SealError, sha256, WireError } from "./bytes.js";

export const X25519_BYTES = 32;
const EMPTY = new Uint8Array();
const PKCS8_X25519 = new Uint8Array([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20]);
const BASE_POINT = big(9, 1);
const KEM = concat(ascii("KEM"), big(0x0020, 2));
const HPKE = concat(ascii("HPKE"), big(0x0020, 2), big(0x0001, 2), big(0x0002, 2));

export const keyId = async (publicBytes) => hex((await sha256(publicBytes)).subarray(0, 8));

// A private key that opens what was sealed to its public half.
export class Identity {
  /**
   * @param {CryptoKey} key the private half, not extractable
   * @param {Uint8Array} publicBytes 32 bytes
   * @param {string} kid the key id, 16 hex digits
   */
  constructor(key, publicBytes, kid) {
    this.key = key;
    this.public = publicBytes;
    this.kid = kid;
  }

  /** @param {Uint8Array} bytes the private half, 32 bytes; wiped */
  static async of(bytes) {
    if (bytes.length !== X25519_BYTES)
      throw new WireError("the browser opens X25519 keys only; this key needs the box");
    const pkcs8 = concat(PKCS8_X25519, bytes);
    try {
      const key = await crypto.subtle.importKey("pkcs8", pkcs8, { name: "X25519" }, false, ["deriveBits"]);
      const publicBytes = await agree(key, concat(BASE_POINT, new Uint8Array(31)));
      return new Identity(key, publicBytes, await keyId(publicBytes));
    } finally {
      pkcs8.fill(0);
      bytes.fill(0);
    }
  }

  async open(sealed, info) {
    try {
      const encapsulated = sealed.slice(0, X25519_BYTES);
      const dh = await agree(this.key, encapsulated);
      const shared = await extractAndExpand(dh, concat(encapsulated, this.public));
      const { key, nonce } = await schedule(shared, info);
      const aead = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
      return new Uint8Array(
        await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce }, aead, sealed.subarray(X25519_BYTES)),
      );
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      throw new SealError(`key ${this.kid} does not open this`);
    }
  }
}

async function agree(key, publicBytes) {
  const other = await crypto.subtle.importKey("raw", publicBytes, { name: "X25519" }, false, []);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: other }, key, 256));
}

// RFC 9180 4.1.
async function extractAndExpand(dh, context) {
  const prk = await extract(KEM, EMPTY, "eae_prk", dh);
  return expand(KEM, prk, "shared_secret", context, 32);
}

// RFC 9180 5.1, mode_base.
async function schedule(shared, info) {
  const context = concat(
    big(0, 1),
    await extract(HPKE, EMPTY, "psk_id_hash", EMPTY),
    await extract(HPKE, EMPTY, "info_hash", info),
  );
  const secret = await extract(HPKE, shared, "secret", EMPTY);
  return {
    key: await expand(HPKE, secret, "key", context, 32),
    nonce: await expand(HPKE, secret, "base_nonce", context, 12),
  };
}

const extract = (suite, salt, label, ikm) => hmac(salt, concat(ascii("HPKE-v1"), suite, ascii(label), ikm));

// One block of HKDF-Expand is enough for everything here.
async function expand(suite, prk, label, info, size) {
  const whole = await hmac(prk, concat(big(size, 2), ascii("HPKE-v1"), suite, ascii(label), info, big(1, 1)));
  return whole.slice(0, size);
}

async function hmac(key, data) {
  // HMAC pads its key with zeros, and WebCrypto takes no empty one.
  const padded = key.length ? key : new Uint8Array(32);
  const imported = await crypto.subtle.importKey("raw", padded, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

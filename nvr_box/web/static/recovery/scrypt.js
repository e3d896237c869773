// scrypt (RFC 7914): WebCrypto has its PBKDF2, the memory-hard middle is here. For a worker: it takes a second.
import { WireError } from "./bytes.js";

const N_MAX = 2 ** 20;
const MEMORY_MAX = 2 ** 30;

export async function scrypt(passphrase, salt, { n, r, p }, size = 32) {
  const whole = [n, r, p].every((value) => Number.isInteger(value) && value > 0);
  if (!whole || n < 2 || n & (n - 1) || n > N_MAX || r > 32 || p > 16 || 128 * r * n > MEMORY_MAX) {
    throw new WireError("key derivation out of range");
  }
  const key = await crypto.subtle.importKey("raw", passphrase, "PBKDF2", false, ["deriveBits"]);
  const derive = async (from, bytes) => new Uint8Array(await crypto.subtle.deriveBits(
    { name: "PBKDF2", hash: "SHA-256", salt: from, iterations: 1 }, key, bytes * 8));
  const blocks = await derive(salt, 128 * r * p);
  const view = new DataView(blocks.buffer);
  for (let i = 0; i < p; i++) {
    const at = i * 128 * r;
    const x = Uint32Array.from({ length: 32 * r }, (_, word) => view.getUint32(at + 4 * word, true));
    mix(x, n, r);
    x.forEach((word, index) => view.setUint32(at + 4 * index, word, true));
  }
  return derive(blocks, size);
}

// scryptROMix, in place.
function mix(x, n, r) {
  const words = 32 * r;
  const kept = new Uint32Array(words * n);
  const y = new Uint32Array(words);
  for (let i = 0; i < n; i++) {
    kept.set(x, i * words);
    blockMix(x, y, r);
  }
  for (let i = 0; i < n; i++) {
    const from = (x[words - 16] & (n - 1)) * words;
    for (let word = 0; word < words; word++) x[word] ^= kept[from + word];
    blockMix(x, y, r);
  }
  kept.fill(0);
  y.fill(0);
}

const b = new Uint32Array(16);

// scryptBlockMix with Salsa20/8 (RFC 7914 3, 4); `y` is scratch.
function blockMix(x, y, r) {
  for (let i = 0; i < 16; i++) b[i] = x[(2 * r - 1) * 16 + i];
  for (let i = 0; i < 2 * r; i++) {
    for (let word = 0; word < 16; word++) b[word] ^= x[i * 16 + word];
    salsa(b);
    y.set(b, (i >> 1) * 16 + (i & 1 ? r * 16 : 0));
  }
  x.set(y);
}

function salsa(block) {
  let [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15] = block;
  let t;
  for (let round = 0; round < 8; round += 2) {
    t = x0 + x12; x4 ^= t << 7 | t >>> 25; t = x4 + x0; x8 ^= t << 9 | t >>> 23; t = x8 + x4; x12 ^= t << 13 | t >>> 19; t = x12 + x8; x0 ^= t << 18 | t >>> 14;
    t = x5 + x1; x9 ^= t << 7 | t >>> 25; t = x9 + x5; x13 ^= t << 9 | t >>> 23; t = x13 + x9; x1 ^= t << 13 | t >>> 19; t = x1 + x13; x5 ^= t << 18 | t >>> 14;
    t = x10 + x6; x14 ^= t << 7 | t >>> 25; t = x14 + x10; x2 ^= t << 9 | t >>> 23; t = x2 + x14; x6 ^= t << 13 | t >>> 19; t = x6 + x2; x10 ^= t << 18 | t >>> 14;
    t = x15 + x11; x3 ^= t << 7 | t >>> 25; t = x3 + x15; x7 ^= t << 9 | t >>> 23; t = x7 + x3; x11 ^= t << 13 | t >>> 19; t = x11 + x7; x15 ^= t << 18 | t >>> 14;
    t = x0 + x3; x1 ^= t << 7 | t >>> 25; t = x1 + x0; x2 ^= t << 9 | t >>> 23; t = x2 + x1; x3 ^= t << 13 | t >>> 19; t = x3 + x2; x0 ^= t << 18 | t >>> 14;
    t = x5 + x4; x6 ^= t << 7 | t >>> 25; t = x6 + x5; x7 ^= t << 9 | t >>> 23; t = x7 + x6; x4 ^= t << 13 | t >>> 19; t = x4 + x7; x5 ^= t << 18 | t >>> 14;
    t = x10 + x9; x11 ^= t << 7 | t >>> 25; t = x11 + x10; x8 ^= t << 9 | t >>> 23; t = x8 + x11; x9 ^= t << 13 | t >>> 19; t = x9 + x8; x10 ^= t << 18 | t >>> 14;
    t = x15 + x14; x12 ^= t << 7 | t >>> 25; t = x12 + x15; x13 ^= t << 9 | t >>> 23; t = x13 + x12; x14 ^= t << 13 | t >>> 19; t = x14 + x13; x15 ^= t << 18 | t >>> 14;
  }
  block[0] += x0; block[1] += x1; block[2] += x2; block[3] += x3; block[4] += x4; block[5] += x5; block[6] += x6; block[7] += x7;
  block[8] += x8; block[9] += x9; block[10] += x10; block[11] += x11; block[12] += x12; block[13] += x13; block[14] += x14; block[15] += x15;
}

// scrypt (RFC 7914) of @noble/hashes, held to what a key file may ask of a browser. For a worker: it takes a second.
import { scrypt as derive } from "../vendor/noble-hashes/scrypt.js";
import { WireError } from "./bytes.js";

const N_MAX = 2 ** 20;
const MEMORY_MAX = 2 ** 30;

// `size` bytes of key. WireError: costs that are no costs, or more than a browser can hold.
export function scrypt(passphrase, salt, { n, r, p }, size = 32) {
  const whole = [n, r, p].every((value) => Number.isInteger(value) && value > 0);
  if (!whole || n < 2 || n & (n - 1) || n > N_MAX || r > 32 || p > 16 || 128 * r * n > MEMORY_MAX) {
    throw new WireError("key derivation out of range");
  }
  // noble counts the blocks of p and its own scratch as well; the limit above is on the table alone.
  return derive(passphrase, salt, { N: n, r, p, dkLen: size, maxmem: 2 * MEMORY_MAX });
}

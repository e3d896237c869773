export function scrypt(
  password: Uint8Array,
  salt: Uint8Array,
  costs: { N: number; r: number; p: number; dkLen: number; maxmem: number },
): Uint8Array<ArrayBuffer>;

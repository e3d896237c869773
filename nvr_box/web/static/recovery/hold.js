// Content keys from legal holds, sealed to the key of a case. The layout is that of wire/hold.py.
import { ascii, concat, hex, SealError, u, WireError } from "./bytes.js";

const MAGIC = ascii("VEILHOLD1\n");
const INFO = ascii("veilcam hold 1");
const HASH = 16;
const KEY = 32;

const opened = (identity, record) => identity.open(record.subarray(HASH), concat(INFO, record.subarray(0, HASH)));

function records(bytes) {
  if (hex(bytes.subarray(0, MAGIC.length)) !== hex(MAGIC)) throw new WireError("not a hold file of version 1");
  const from = MAGIC.length + 2;
  const size = u(bytes, MAGIC.length, 2);
  const rest = bytes.length - from;
  if (rest < 0 || (size ? rest % size : rest)) throw new WireError("a hold file that was cut off");
  return Array.from({ length: size ? rest / size : 0 }, (_, at) => bytes.subarray(from + at * size, from + (at + 1) * size));
}

// What of the hold files `identities` open, as a Map by key_hash (hexadecimal) of functions that give the content key,
// null where a record is damaged: a day of them is long.
export async function heldBy(files, identities) {
  const held = new Map();
  for (const bytes of files) {
    let list = [];
    try {
      list = records(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
    const holder = list.length ? await who(list[0], identities) : null;
    for (const record of holder ? list : []) held.set(hex(record.subarray(0, HASH)), () => attempted(holder, record));
  }
  return held;
}

async function who(record, identities) {
  for (const identity of identities.values()) if (await attempted(identity, record)) return identity;
  return null;
}

async function attempted(identity, record) {
  try {
    const key = await opened(identity, record);
    return key.length === KEY ? key : null;
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    return null;
  }
}

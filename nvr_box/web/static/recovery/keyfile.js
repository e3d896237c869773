// The key files of the box, opened here: identities under a passphrase (scrypt, AES-256-GCM) and the keys of a day,
// sealed to identities. The layouts are those of wire/keys.py and nvr_box/keys/day.py.
import { ascii, concat, fromHex, hex, SealError, WireError } from "./bytes.js";
import { Identity, X25519_BYTES } from "./hpke.js";
import { scrypt } from "./scrypt.js";

const NOT_COVERED = ["nonce", "sealed"];

// JSON as Python's json.dumps(sort_keys=True, separators=(",", ":")) writes it.
function canonical(table) {
  const parts = Object.keys(table)
    .filter((name) => !NOT_COVERED.includes(name))
    .sort()
    .map((name) => `${JSON.stringify(name)}:${JSON.stringify(table[name])}`);
  return `{${parts.join(",")}}`.replace(
    /[^\x20-\x7e]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export const isKeyFile = (table) => table?.veilcam_key === 1 && table.kind === "identity";

// The identity in a key file. SealError: the passphrase is another's; WireError: no key file that a browser can open.
export async function openIdentity(table, passphrase) {
  if (!isKeyFile(table)) throw new WireError("not a reveal key file of version 1");
  if (!table.sealed || table.kdf !== "scrypt") throw new WireError("this key file holds no key under a passphrase");
  const secret = scrypt(ascii(passphrase), fromHex(table.salt), table);
  const key = await crypto.subtle.importKey("raw", secret, "AES-GCM", false, ["decrypt"]);
  secret.fill(0);
  let bytes;
  try {
    const opened = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: fromHex(table.nonce), additionalData: ascii(canonical(table)) },
      key,
      fromHex(table.sealed),
    );
    bytes = new Uint8Array(opened);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw new SealError("wrong passphrase, or the key file was altered");
  }
  const identity = await Identity.of(bytes);
  if (hex(identity.public) !== table.public)
    throw new SealError("public and private part of the key file do not belong together");
  return identity;
}

// The key of a day by whoever of `identities` (a Map by key id) holds it; null when none does, or one of two is missing.
export async function openDay(table, identities) {
  if (table?.veilcam_day_key !== 1) throw new WireError("not a day key of version 1");
  const info = concat(ascii("veilcam day key 1 "), ascii(table.day));
  for (const { kids, sealed } of table.sealed) {
    const group = kids.map((kid) => identities.get(kid));
    if (!group.length || group.includes(undefined)) continue;
    let bytes = fromHex(sealed);
    for (const identity of group) bytes = await identity.open(bytes, info);
    if (bytes.length !== X25519_BYTES) throw new WireError(`the key of ${table.day} needs the box`);
    const day = await Identity.of(bytes);
    if (hex(day.public) !== table.public)
      throw new SealError(`the key of ${table.day}: its halves do not belong together`);
    return day;
  }
  return null;
}

// Everything that the passphrases open, as a Map by key id: the operators' keys and the days behind them.
export async function unlock(files, days, passphrases) {
  const identities = new Map();
  let why = "the passphrase opens no reveal key";
  for (const file of files.filter((each) => each.sealed)) {
    for (const passphrase of passphrases) {
      try {
        const identity = await openIdentity(file, passphrase);
        identities.set(identity.kid, identity);
        break;
      } catch (error) {
        if (error instanceof WireError) why = error.message;
        else if (!(error instanceof SealError)) throw error;
      }
    }
  }
  if (!identities.size) throw new SealError(why);
  for (const table of days) {
    try {
      const day = await openDay(table, identities);
      if (day) identities.set(day.kid, day);
    } catch (error) {
      if (!(error instanceof SealError || error instanceof WireError)) throw error;
    }
  }
  return identities;
}

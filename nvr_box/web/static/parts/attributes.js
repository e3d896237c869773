// The closed list of attributes as people say it. What cannot be asked for (proportions) has no phrase.
const YES = ["hat", "bag", "backpack", "umbrella"];
const PHRASES = {
  texture: (word) => `${word} above`,
  lower_texture: (word) => `${word} below`,
  sleeve: (word) => `${word} sleeves`,
  lower_length: (word) => (word === "short" ? "shorts or short skirt" : "long trousers or skirt"),
  hair_length: (word) => `${word} hair`,
  vehicle_type: (word) => word,
  two_wheeler: (word) => word,
  ...Object.fromEntries(YES.map((name) => [name, (word) => (word === "yes" ? name : null)])),
};
const TEXTURES = ["plain", "striped", "patterned"];
const LENGTHS = ["short", "long"];

export const phrase = ({ name, word }) => PHRASES[name]?.(word) ?? null;

const asked = (name, words) => words.map((word) => ({ name, word }));
export const ASKABLE = {
  person: [
    ...asked("texture", TEXTURES),
    ...asked("lower_texture", TEXTURES),
    ...asked("sleeve", LENGTHS),
    ...asked("lower_length", LENGTHS),
    ...asked("hair_length", LENGTHS),
    ...YES.map((name) => ({ name, word: "yes" })),
  ],
  vehicle: [
    ...asked("vehicle_type", ["car", "van", "bus", "truck"]),
    ...asked("two_wheeler", ["bicycle", "motorcycle"]),
  ],
};

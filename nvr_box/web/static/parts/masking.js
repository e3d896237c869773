// What a picture of a camera may show: the lock, every tag, alt text and label take it from here, so that they agree.
import { useEffect } from "./html.js";
import { shared } from "./store.js";

export const selectionWords = ({ mode, people }) =>
  mode === "except"
    ? `${people.join(", ") || "nobody"} left open by choice`
    : `only ${people.join(", ") || "nobody"} masked by choice, everybody else is open`;

const many = (count, one, more) => (count === 1 ? `1 ${one}` : `${count} ${more}`);

// `lock`: what the lock says of one camera, and of several.
const MASKED = { masked: true, tag: "", word: "Masked", why: "", rank: 9 };
const UNMASKED = {
  masked: false,
  tag: "not masked",
  lock: ["not masked", "not masked"],
  word: "Unmasked",
  why: "this camera does not mask people",
  rank: 0,
};
const UNKNOWN = {
  masked: false,
  tag: "masking not known",
  lock: ["masking not known", "masking not known"],
  word: "Perhaps unmasked",
  why: "nobody says whether its source masks people",
  rank: 1,
};
const SILENT = { ...UNKNOWN, why: "the camera does not say what it masks" };
const UNWRITTEN = { ...UNKNOWN, why: "the box does not know what was masked then" };
const partly = (rank, tag, lock, why) => ({ masked: false, tag, lock, word: "Partly masked", why, rank });

// What is left open by one answer of the camera; the worst first.
function openness({ people, extent, never, selection, places }) {
  if (!people) return { ...UNMASKED, why: "its settings mask no people" };
  if (selection)
    return partly(
      2,
      "not everybody masked",
      ["with people left open", "with people left open"],
      selectionWords(selection),
    );
  if (never.length)
    return partly(
      3,
      `${many(never.length, "zone", "zones")} never masked`,
      ["with a zone never masked", "with zones never masked"],
      "its settings leave a zone in which nobody is masked",
    );
  if (extent !== "bodies")
    return partly(
      4,
      `only ${extent} masked`,
      ["shows bodies", "show bodies"],
      `its settings mask ${extent} and leave bodies and clothes`,
    );
  if (places.length)
    return partly(
      8,
      `${many(places.length, "place", "places")} released`,
      ["with a released place", "with released places"],
      places.map((one) => `${one.reason}, ${one.who}`).join("; "),
    );
  return MASKED;
}

// What held in the past, by camera, as far as it was asked for: {from_us, until_us, rows}.
export const past = shared(new Map());

// A stretch of time of which the box has said what held; `rows` as its timeline says them.
export function remember(camera, from_us, until_us, rows) {
  past.set((before) => new Map(before).set(camera, { from_us, until_us, rows }));
}

// All that may have held then: near a change the box cannot tell, and both count.
export function rowsAt(camera, at_us, known = past.get()) {
  const asked = known.get(camera.id);
  if (!asked || at_us < asked.from_us || at_us >= asked.until_us) return null;
  return asked.rows.filter((one) => one.from_us <= at_us && (one.until_us === null || at_us <= one.until_us));
}

const worse = (a, b) => (a.rank <= b.rank ? a : b);

// `camera`: as the box lists it, undefined while nothing is known of it. `at_us`: when the picture was taken, null for now.
// `rows`: what held then, where the box has said it with the picture.
// The answer: {masked, tag, lock, word, why, rank}.
export function masking(camera, at_us = null, rows = null) {
  if (!camera || camera.by_client) return UNKNOWN;
  if (!camera.veilcam) return UNMASKED;
  if (at_us === null) return camera.masking ? openness(camera.masking) : SILENT;
  const held = rows ?? rowsAt(camera, at_us);
  return held?.length ? held.map(openness).reduce(worse) : UNWRITTEN;
}

const heldAt = (camera, at_us) => (at_us === null ? [camera.masking].filter(Boolean) : (rowsAt(camera, at_us) ?? []));

// The places that are, or were then, released on it.
export function releasedAt(camera, at_us = null) {
  if (!camera?.veilcam) return [];
  return [
    ...new Map(
      heldAt(camera, at_us)
        .flatMap((row) => row.places)
        .map((place) => [place.id, place]),
    ).values(),
  ];
}

// The zones in which nothing is, or was then, masked.
export const zonesAt = (camera, at_us = null) => (camera?.veilcam ? (heldAt(camera, at_us).at(-1)?.never ?? []) : []);

// The pictures that are on the page now, each with its camera and, where it is not of now, its time.
export const onScreen = shared(new Map());

const change = (work) =>
  onScreen.set((before) => {
    const after = new Map(before);
    work(after);
    return after;
  });

// Whoever draws a picture of `camera` calls this; `camera` null draws none.
export function useOnScreen(camera, at_us = null, rows = null) {
  useEffect(() => {
    if (camera === null || camera === undefined) return undefined;
    const key = Symbol("picture");
    change((map) => map.set(key, { camera, at_us, rows }));
    return () => change((map) => map.delete(key));
  }, [camera, at_us, rows]);
}

// Of what is on screen: which cameras are not wholly masked, each once, with its name and why.
export function unmasked(pictures, cameras) {
  const found = new Map();
  for (const { camera, at_us, rows } of pictures.values()) {
    const known = cameras.find((one) => one.id === camera);
    const now = masking(known, at_us, rows);
    if (now.masked) continue;
    const named = { camera, name: known?.name ?? `camera ${camera}`, ...now };
    found.set(camera, found.has(camera) ? worse(found.get(camera), named) : named);
  }
  return [...found.values()];
}

// How the lock says it: "2 cameras not masked", "3 cameras show bodies", "1 place released".
export function lockWords(open, pictures, cameras) {
  if (open.every((one) => one.rank === 8)) {
    const places = new Set(
      [...pictures.values()].flatMap(({ camera, at_us, rows }) =>
        (rows
          ? rows.flatMap((row) => row.places)
          : releasedAt(
              cameras.find((one) => one.id === camera),
              at_us,
            )
        ).map((one) => `${camera} ${one.id}`),
      ),
    );
    return `${many(places.size, "place", "places")} released`;
  }
  const some = open.length > 1;
  return `${many(open.length, "camera", "cameras")} ${open.every((one) => one.lock[1] === open[0].lock[1]) ? open[0].lock[some ? 1 : 0] : "not wholly masked"}`;
}

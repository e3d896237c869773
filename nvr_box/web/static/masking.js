// What a picture of a camera may show: the lock, every tag, alt text and label take it from here, so that they agree.
import { useEffect } from "./vendor/htm-preact.js";
import { shared } from "./store.js";

export const selectionWords = ({ mode, people }) => (mode === "except"
  ? `${people.join(", ") || "nobody"} left open by choice`
  : `only ${people.join(", ") || "nobody"} masked by choice, everybody else is open`);

const MASKED = { masked: true, tag: "", word: "Masked", why: "" };
const UNMASKED = { masked: false, tag: "not masked", word: "Unmasked", why: "this camera does not mask people" };
const UNKNOWN = { masked: false, tag: "masking not known", word: "Perhaps unmasked", why: "nobody says whether its source masks people" };

// A selection that was in force at `at_us`; one without an end is in force now.
const selectionAt = (camera, at_us) => (camera.selections ?? []).find((one) => one.from_us <= at_us && (one.until_us === null || at_us < one.until_us));

// `camera`: as the box lists it, undefined while nothing is known of it. `at_us`: when the picture was taken, null for now.
export function masking(camera, at_us = null) {
  if (!camera || camera.by_client) return UNKNOWN;
  if (!camera.veilcam) return UNMASKED;
  const chosen = at_us === null ? camera.selection : selectionAt(camera, at_us);
  return chosen ? { masked: false, tag: "not everybody masked", word: "Partly masked", why: selectionWords(chosen) } : MASKED;
}

// The pictures that are on the page now, each with its camera and, where it is not of now, its time.
export const onScreen = shared(new Map());

const change = (work) => onScreen.set((before) => { const after = new Map(before); work(after); return after; });

// Whoever draws a picture of `camera` calls this; `camera` null draws none.
export function useOnScreen(camera, at_us = null) {
  useEffect(() => {
    if (camera === null || camera === undefined) return undefined;
    const key = Symbol("picture");
    change((map) => map.set(key, { camera, at_us }));
    return () => change((map) => map.delete(key));
  }, [camera, at_us]);
}

// Of what is on screen: which cameras are not wholly masked, each once, with its name and why.
export function unmasked(pictures, cameras) {
  const found = new Map();
  for (const { camera, at_us } of pictures.values()) {
    const known = cameras.find((one) => one.id === camera);
    const now = masking(known, at_us);
    if (!now.masked && !found.has(camera)) found.set(camera, { camera, name: known?.name ?? `camera ${camera}`, tag: now.tag, why: now.why });
  }
  return [...found.values()];
}

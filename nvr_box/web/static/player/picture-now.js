// The state of a picture that is being shown, looked at anew twice a second.
import { useEffect, useState } from "../parts/html.js";
import { now_us } from "../parts/api.js";
import { pictureState } from "./picture-state.js";
import { away, use } from "../parts/store.js";

const LOOK_MS = 500;

// `player`: a ref to a Player or CanvasPlayer; `said`: what it said last.
export function usePicture(camera, player, said, live) {
  const unreachable = use(away);
  const [, look] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => look((n) => n + 1), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const now = player.current;
  const shown_us = said.state === "connecting" ? null : (now?.at_us ?? null);
  return pictureState({
    camera,
    player: { ...said, blank_s: now?.blank_s ?? 0, stalled_s: now?.stalled_s ?? 0 },
    shown_us,
    now_us: now_us(),
    live,
    away: unreachable,
  });
}

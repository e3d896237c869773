// One camera large: the picture, what can be done with it, and its timeline. Live and playback are the same place.
import { html, useEffect, useRef, useState } from "../parts/html.js";
import { now_us } from "../parts/api.js";
import { ExportDialog } from "../parts/export.js";
import { masking, past, useOnScreen } from "../parts/masking.js";
import { PlacesPanel } from "../parts/released-places.js";
import { RevealDialog } from "../parts/reveal-dialog.js";
import { cameraName, cameras, may, reveal, use } from "../parts/store.js";
import { Controls } from "../player/controls.js";
import { useFreeze } from "../player/freeze.js";
import { useShortcuts } from "../player/shortcuts.js";
import { Picture } from "../player/picture.js";
import { usePicture } from "../player/picture-now.js";
import { Timeline } from "../player/timeline.js";
import { usePlayback } from "../player/use-playback.js";
import { useStream } from "../player/use-stream.js";

// A recording without a camera has no live view: it begins where it is first kept.
export function RecordingView({ camera }) {
  const [first_us, setFirst] = useState(camera.oldest_us);
  useEffect(() => {
    if (first_us === null && camera.oldest_us !== null) setFirst(camera.oldest_us);
  }, [camera.oldest_us]);
  return first_us === null
    ? html`<p class="boot">Nothing of it is kept.</p>`
    : html`<${CameraView} camera=${camera.id} at=${first_us} />`;
}

// The actions by key.
function keysOf(act, goto) {
  return {
    " ": act.toggle,
    k: act.toggle,
    j: () => act.step(-10e6),
    l: act.faster,
    ArrowLeft: () => act.step(-1e6),
    ArrowRight: () => act.step(1e6),
    ArrowUp: () => act.stepPassage(-1),
    ArrowDown: () => act.stepPassage(1),
    ",": () => act.stepFrame(-1),
    ".": () => act.stepFrame(1),
    f: act.freeze,
    g: () => goto.current?.focus(),
    n: act.goLive,
    e: () => may("operator") && act.export(),
    r: () => act.mayReveal && act.reveal(),
    Escape: act.close,
  };
}

export function CameraView({ camera, at = null, compact = false, onLive }) {
  const refs = { player: useRef(), video: useRef(), canvas: useRef() };
  const { player } = refs;
  const goto = useRef();
  const [dialog, setDialog] = useState(""); // "export" or "reveal"
  const [placing, setPlacing] = useState(null); // {box}: released places are listed, and one may be drawn
  const on = use(reveal);
  const revealed = on && on.camera === camera ? on : null;
  const one = use(cameras).find((candidate) => candidate.id === camera);
  const { state, shown, live, setLive } = useStream(camera, revealed, at, refs);
  const { frozen, setFrozen, freeze } = useFreeze(camera, player);
  const playback = usePlayback(player, { camera, one, revealed, live, setLive, frozen, setFrozen, onLive });
  const now = usePicture(one, player, state, live && !revealed);
  const taken_us = frozen?.at_us ?? (live ? null : shown); // what was recorded is masked as the camera masked then
  useOnScreen(camera, taken_us);
  use(past);
  const mask = masking(one, taken_us);
  const nothing = shown === null && now.kind !== "connecting"; // nothing is shown and nothing is on its way
  // A step in a paused picture stays paused while its stream is on the way.
  const paused = state.state === "paused" || player.current?.wantsPlay === false;

  useEffect(() => {
    if (at !== null && player.current) playback.seek(at);
  }, [at]);
  useEffect(() => {
    setFrozen(null);
    setPlacing(null);
  }, [camera, on?.id]);

  const act = {
    ...playback,
    freeze,
    export: () => setDialog("export"),
    reveal: () => setDialog("reveal"),
    mayReveal: may("reveal") && !revealed && one?.veilcam && !nothing,
    places: () => setPlacing(placing ? null : { box: null }),
    close: () => {
      setFrozen(null);
      setPlacing(null);
    },
  };
  useShortcuts(keysOf(act, goto), dialog !== "");
  const { speed } = playback;
  const view = { camera, one, revealed, state, now, mask, frozen, placing, taken_us, live, shown, speed, paused };
  const head_us = () => player.current?.at_us;
  return html`<section class=${`watch ${compact ? "compact" : ""}`} aria-label=${`Camera ${cameraName(camera)}`}>
    <${Picture} view=${view} refs=${refs} setFrozen=${setFrozen} setPlacing=${setPlacing} />
    <${Controls} view=${{ ...view, compact, nothing }} act=${act} goto=${goto} />
    ${
      placing &&
      html`<${PlacesPanel} camera=${camera} box=${placing.box} onBox=${(box) => setPlacing({ box })}
        onClose=${() => setPlacing(null)} />`
    }
    <${Timeline} camera=${camera} head=${head_us} live=${() => live} onSeek=${playback.seek} />
    ${
      dialog === "export" &&
      html`<${ExportDialog} camera=${camera} at_us=${head_us() ?? now_us()} end_us=${now_us()}
        onClose=${() => setDialog("")} />`
    }
    ${
      dialog === "reveal" &&
      html`<${RevealDialog} camera=${camera} from_us=${head_us() ?? now_us()} frozen=${frozen}
        onClose=${() => setDialog("")} />`
    }
  </section>`;
}

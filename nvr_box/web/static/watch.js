// One camera large: the picture, what can be done with it, and its timeline. Live and playback are the same place.
import { html, useEffect, useRef, useState } from "./html.js";
import { attempt, get, now_us, post, seg } from "./api.js";
import { CanvasPlayer } from "./canvas-player.js";
import { ExportDialog } from "./export.js";
import { Frozen } from "./freeze.js";
import { masking, past, releasedAt, useOnScreen } from "./masking.js";
import { openerOf } from "./opened.js";
import { usePicture } from "./picture-now.js";
import { isCovered, isFresh, lostWords } from "./picture-state.js";
import { Outlines, PlacesPanel } from "./places.js";
import { Player } from "./player.js";
import { RevealDialog } from "./reveal-dialog.js";
import { SelectionBanner } from "./selection.js";
import { cameraName, cameras, may, reveal, use } from "./store.js";
import { Timeline } from "./timeline.js";
import { TimeField } from "./time-field.js";
import { clock, day, iso, us, zone } from "./times.js";

const FRAME_US = 1e6 / 25;
const SPEEDS = [1, 2, 4, 8];

// A recording without a camera has no live view: it begins where it is first kept.
export function Recording({ camera }) {
  const [first_us, setFirst] = useState(camera.oldest_us);
  useEffect(() => {
    if (first_us === null && camera.oldest_us !== null) setFirst(camera.oldest_us);
  }, [camera.oldest_us]);
  return first_us === null
    ? html`<p class="boot">Nothing of it is kept.</p>`
    : html`<${Watch} camera=${camera.id} at=${first_us} />`;
}

export function Watch({ camera, at = null, compact = false, onLive }) {
  const video = useRef();
  const canvas = useRef();
  const player = useRef();
  const goto = useRef();
  const gone = useRef(null); // what the field said when it was last followed
  const left_us = useRef(null); // where a reveal stood when it ended: the masked picture goes on from there
  const [state, setState] = useState(
    /** @type {{ state: string, why?: string, reason?: string }} */ ({ state: "connecting" }),
  );
  const [shown, setShown] = useState(null); // UTC of the picture, twice a second
  const [live, setLive] = useState(at === null);
  const [speed, setSpeed] = useState(1);
  const [frozen, setFrozen] = useState(null);
  const [asking, setAsking] = useState(false);
  const [exporting, setExporting] = useState(false);
  const [placing, setPlacing] = useState(null); // {box}: released places are listed, and one may be drawn
  const on = use(reveal);
  const revealed = on && on.camera === camera ? on : null;
  const one = use(cameras).find((candidate) => candidate.id === camera);
  const now = usePicture(one, player, state, live && !revealed);
  const taken_us = frozen?.at_us ?? (live ? null : shown); // what was recorded is masked as the camera masked then
  useOnScreen(camera, taken_us);
  use(past);
  const mask = masking(one, taken_us);
  const nothing = shown === null && now.kind !== "connecting"; // nothing is shown and nothing is on its way

  // While another stream is on the way, the time of the last picture is nobody's.
  const hear = (event) => {
    setState(event);
    if (event.state === "connecting") setShown(null);
  };
  useEffect(() => {
    player.current = revealed?.in_browser
      ? new CanvasPlayer(canvas.current, hear, openerOf(revealed.id), revealed)
      : new Player(video.current, camera, hear, { revealId: revealed?.id });
    const from_us = revealed ? revealed.from_us : (left_us.current ?? at);
    left_us.current = null;
    if (from_us === null || from_us === undefined) player.current.live();
    else player.current.seek(from_us);
    setLive(player.current.isLive);
    const tell = () => setShown(player.current.at_us ?? null);
    const beat = setInterval(tell, 500);
    const screen = video.current;
    screen.addEventListener("seeked", tell);
    screen.addEventListener("loadeddata", tell);
    return () => {
      clearInterval(beat);
      screen.removeEventListener("seeked", tell);
      screen.removeEventListener("loadeddata", tell);
      if (revealed) left_us.current = player.current.at_us ?? revealed.from_us;
      player.current.close();
    };
  }, [camera, revealed?.id]);

  useEffect(() => {
    if (at !== null && player.current) seek(at);
  }, [at]);
  useEffect(() => {
    setFrozen(null);
    setPlacing(null);
  }, [camera, on?.id]);

  const seek = (to_us) => {
    setFrozen(null);
    const edge = now_us() - 1e6;
    if (to_us >= edge && !revealed && !one?.by_client) {
      goLive();
      return;
    }
    setLive(false);
    player.current.seek(Math.min(to_us, edge));
  };
  const goTo = (to_us) => {
    if (to_us === null || to_us === gone.current) return;
    gone.current = to_us;
    seek(to_us);
  };
  const goLive = () => {
    if (one?.by_client) return;
    setFrozen(null);
    setSpeed(1);
    player.current.setRate(1);
    if (revealed) {
      player.current.seek(now_us() - 4e6);
      return;
    }
    setLive(true);
    player.current.live();
    onLive?.();
  };
  const faster = () => {
    const next = player.current.paused || live ? 1 : SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + 1)];
    setSpeed(next);
    player.current.setRate(next);
    player.current.play();
  };
  const toggle = () => {
    if (frozen) {
      setFrozen(null);
      player.current.play();
      return;
    }
    if (player.current.paused) player.current.play();
    else player.current.pause();
  };
  const step = (by_us) => {
    const now = player.current.at_us;
    if (now !== undefined) seek(now + by_us);
  };
  const stepPassage = async (direction) => {
    const now = player.current.at_us;
    if (now === undefined) return;
    const from_us = Math.round(now + direction * 0.7e6);
    const { first = null } =
      (await attempt(() =>
        get(`/api/cameras/${seg(camera)}/beside?at=${seg(iso(from_us))}&later=${direction > 0 ? "yes" : "no"}`),
      )) ?? {};
    if (first) seek(us(first));
  };
  const freeze = async () => {
    if (frozen) {
      setFrozen(null);
      return;
    }
    const now = player.current.at_us;
    if (now === undefined) return;
    player.current.pause();
    setFrozen({ waiting: true });
    const still = await attempt(() => post(`/api/cameras/${seg(camera)}/freeze`, { at: iso(now) }), {
      works: "Live view and playback go on.",
      todo: "Try again in a moment, or step to another picture.",
      key: "freeze",
    });
    setFrozen(still ? { ...still, at_us: us(still.at) } : null);
  };

  useEffect(() => {
    const keys = {
      " ": toggle,
      k: toggle,
      j: () => step(-10e6),
      l: faster,
      ArrowLeft: () => step(-1e6),
      ArrowRight: () => step(1e6),
      ArrowUp: () => stepPassage(-1),
      ArrowDown: () => stepPassage(1),
      ",": () => {
        player.current.pause();
        step(-FRAME_US);
      },
      ".": () => {
        player.current.pause();
        step(FRAME_US);
      },
      f: freeze,
      g: () => goto.current?.focus(),
      n: goLive,
      e: () => may("operator") && setExporting(true),
      r: () => may("reveal") && !revealed && one?.veilcam && !nothing && setAsking(true),
      Escape: () => {
        setFrozen(null);
        setPlacing(null);
      },
    };
    const press = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || asking || exporting) return;
      if (event.target.closest("input, textarea, select, dialog")) return;
      if (event.key === " " && event.target.closest("button, a")) return;
      const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });

  // A step in a paused picture stays paused while its stream is on the way.
  const paused = state.state === "paused" || player.current?.wantsPlay === false;
  const doubt = revealed && (revealed.in_browser ? state.reason : revealed.verdicts.reason);
  const covered = isCovered(now.kind) && !frozen;
  const picture = revealed ? "Revealed" : mask.word;
  return html`<section class=${`watch ${compact ? "compact" : ""}`} aria-label=${`Camera ${cameraName(camera)}`}>
    <div class=${`picture ${revealed ? "revealed" : ""} ${covered ? "stale" : ""}`} data-test="picture" data-kind=${now.kind}>
      <video ref=${video} hidden=${Boolean(revealed?.in_browser)} muted playsinline aria-label=${`${picture} video of ${cameraName(camera)}, ${now.words}`}></video>
      ${revealed?.in_browser && html`<canvas ref=${canvas} class="opened" role="img" data-test="opened" data-state=${state.state} aria-label=${`Revealed video of ${cameraName(camera)}`}></canvas>`}
      ${!revealed && html`<${Outlines} camera=${camera} at_us=${taken_us} drawn=${placing?.box} onDraw=${placing && !frozen && may("admin") ? (box) => setPlacing({ box }) : null} />`}
      ${frozen && html`<${Frozen} still=${frozen} camera=${camera} whole=${now.kind === "whole" ? now.words : ""} onClose=${() => setFrozen(null)} onStill=${setFrozen} />`}
      ${covered && html`<p class="over" role="status" data-test="over"><b>${now.words}</b> ${now.detail}</p>`}
      ${now.kind === "whole" && !frozen && html`<p class="over whole" role="status" data-test="over"><b>${now.words}</b> <span class="narrow-hide">${now.detail}</span></p>`}
      ${revealed && html`<p class="watermark" aria-hidden="true">${revealed.watermark}</p>`}
      ${doubt && html`<p class="verdicts" role="status" data-test="verdicts">${doubt}</p>`}
      <${SelectionBanner} camera=${camera} />
      <p class="corner"><b>${cameraName(camera)}</b> <span class=${`tag ${now.kind}`} data-test="state">${now.kind === "whole" ? "live, all masked" : now.words}</span>
        ${revealed ? html`<span class="tag reveal" data-test="mask">revealed</span>` : !mask.masked && html`<span class="tag warn" data-test="mask" title=${mask.why}>${mask.tag}</span>`}
        ${one?.state === "lost" && now.kind !== "lost" && html`<span class="tag lost">${lostWords(one).words}</span>`}</p>
    </div>
    <div class="controls" role="toolbar" aria-label="Playback">
      <button onClick=${toggle} data-test="pause" aria-label=${paused ? "Play" : "Pause"} title="Space">${paused ? "▶" : "❚❚"}</button>
      <button class="quiet narrow-hide" onClick=${() => step(-10e6)} aria-label="Back ten seconds" title="J">−10 s</button>
      <button class="quiet narrow-hide" onClick=${faster} aria-label="Faster" title="L">${speed} ×</button>
      ${!one?.by_client && html`<button class=${live && isFresh(now.kind) ? "on" : ""} onClick=${goLive} aria-pressed=${live && isFresh(now.kind)} title="N">Live</button>`}
      <time class="now" data-test="now" data-us=${shown ?? ""} dateTime=${shown ? iso(shown) : ""}>${shown ? html`<span class="narrow-hide">${day(shown)} </span>${clock(shown)}` : "–"}</time>
      <label class="goto"><span class="hidden">Go to a time (${zone(now_us())})</span>
        <${TimeField} inputRef=${goto} title="G: go to a time"
          onPick=${(to_us) => {
            if (document.activeElement?.matches(".twice")) goTo(to_us);
          }}
          onEnter=${(to_us) => {
            gone.current = null;
            goTo(to_us);
            goto.current.blur();
          }} onLeave=${goTo} /></label>
      <span class="push"></span>
      ${may("operator") && html`<button onClick=${freeze} disabled=${!frozen && shown === null} aria-pressed=${Boolean(frozen)} data-test="freeze" title="F">Freeze</button>`}
      ${may("operator") && html`<button class="quiet" data-test="export" title="E" onClick=${() => setExporting(true)}>Export…</button>`}
      ${one?.veilcam && !revealed && !compact && (may("admin") || releasedAt(one).length > 0) && html`<button class="quiet" data-test="places-open" aria-expanded=${Boolean(placing)} onClick=${() => setPlacing(placing ? null : { box: null })}>Places…</button>`}
      ${may("reveal") && !revealed && one?.veilcam && html`<button class="warn" data-test="reveal" title="R" disabled=${nothing} onClick=${() => setAsking(true)}>Reveal…</button>`}
    </div>
    ${placing && html`<${PlacesPanel} camera=${camera} box=${placing.box} onBox=${(box) => setPlacing({ box })} onClose=${() => setPlacing(null)} />`}
    <${Timeline} camera=${camera} head=${() => player.current?.at_us} live=${() => live} onSeek=${seek} />
    ${exporting && html`<${ExportDialog} camera=${camera} at_us=${player.current.at_us ?? now_us()} end_us=${now_us()} onClose=${() => setExporting(false)} />`}
    ${asking && html`<${RevealDialog} camera=${camera} from_us=${player.current.at_us ?? now_us()} frozen=${frozen} onClose=${() => setAsking(false)} />`}
  </section>`;
}

export const watchKeys = [
  ["Space K", "play and pause"],
  ["J", "back ten seconds"],
  ["L", "faster: 1, 2, 4, 8 ×"],
  ["← →", "one second"],
  [", .", "one frame"],
  ["↑ ↓", "previous and next passage"],
  ["F", "freeze and pick"],
  ["G", "go to a time"],
  ["N", "now: back to live"],
  ["R", "reveal (for who may)"],
  ["E", "export a package"],
  ["+ −", "zoom the timeline, when it has the focus"],
];

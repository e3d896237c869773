// The timeline: one canvas. Recorded time is solid, a gap is a gap, detections are ticks by class.
import { html, useEffect, useRef, useState } from "../parts/html.js";
import { get, now_us, seg } from "../parts/api.js";
import { remember } from "../parts/masking.js";
import { clock, clockMinute, day, full, iso, marks, span, us } from "../parts/times.js";

const NARROWEST_US = 4e6;
const WIDEST_US = 8 * 86400e6;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
const HEIGHT = 92;
export const CLASSES = ["person", "bicycle", "car", "motorcycle", "bus", "truck"];
const LANE = { person: 0, bicycle: 1, motorcycle: 1, car: 2, bus: 2, truck: 2 };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(canvas, view, data, head_us, hover_us) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = HEIGHT * scale;
  }
  const g = canvas.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, width, HEIGHT);
  const x = (at) => ((at - view.from) / (view.until - view.from)) * width;

  g.font = "11px system-ui, sans-serif";
  g.textBaseline = "top";
  const step_us = 1e6 * (STEPS_S.find((s) => (s * 1e6 * width) / (view.until - view.from) >= 92) ?? 86400);
  for (const at of marks(view.from, view.until, step_us)) {
    g.fillStyle = colour("--line");
    g.fillRect(Math.round(x(at)), 18, 1, HEIGHT - 18);
    g.fillStyle = colour("--muted");
    g.textAlign = "center";
    const midnight = new Date(at / 1000).getHours() + new Date(at / 1000).getMinutes() === 0 && step_us >= 60e6;
    g.fillText(midnight ? day(at) : step_us >= 60e6 ? clockMinute(at) : clock(at), x(at), 3);
  }

  g.fillStyle = colour("--track");
  g.fillRect(0, 22, width, 20);
  for (const [from, until, locked] of data.ranges) {
    const left = x(from);
    if (left > width || x(until) < 0) continue;
    g.fillStyle = colour(locked ? "--locked" : "--recorded");
    g.fillRect(left, 22, Math.max(1, x(until) - left), 20);
  }
  // Few passages are drawn one by one; many by how many there are in each pixel, so that none is left out.
  const crowded = data.tracks.length ? [] : Object.entries(data.density ?? {});
  for (const [kind, counts] of crowded) {
    g.fillStyle = colour(`--class-${kind}`);
    for (const [step, count] of counts) {
      const left = x(data.from + step * data.step_us);
      const right = x(data.from + (step + 1) * data.step_us);
      if (right < 0 || left > width) continue;
      g.globalAlpha = Math.min(1, 0.4 + 0.15 * Math.log2(count + 1));
      g.fillRect(left, 48 + 13 * (LANE[kind] ?? 2), Math.max(1, right - left), 9);
    }
  }
  g.globalAlpha = 1;
  for (const track of data.tracks) {
    const left = x(track.first_us);
    const right = Math.max(left + 2, x(track.last_us));
    if (right < 0 || left > width) continue;
    g.fillStyle = colour(`--class-${track.class}`);
    g.fillRect(left, 48 + 13 * (LANE[track.class] ?? 2), right - left, 9);
  }
  const now = x(now_us());
  if (now < width) {
    g.fillStyle = colour("--surface");
    g.fillRect(now, 20, width - now, HEIGHT - 20);
  }
  if (hover_us !== null) {
    g.fillStyle = colour("--muted");
    g.fillRect(Math.round(x(hover_us)), 18, 1, HEIGHT - 18);
  }
  if (head_us) {
    g.fillStyle = colour("--head");
    const at = Math.round(x(head_us));
    g.fillRect(at - 1, 16, 2, HEIGHT - 16);
    g.beginPath();
    g.moveTo(at - 6, 14);
    g.lineTo(at + 6, 14);
    g.lineTo(at, 21);
    g.fill();
  }
}

// What a mask left open for a while, as the box says it.
export const heldRow = (row) => ({ ...row, from_us: us(row.start), until_us: row.end === null ? null : us(row.end) });

// `head()` gives the time on screen, `onSeek(us)` moves it.
export function Timeline({ camera, head, onSeek, live }) {
  const canvas = useRef();
  const state = useRef(null);
  const [hover, setHover] = useState(null);
  state.current ??= {
    view: { from: now_us() - 600e6, until: now_us() + 30e6 },
    data: { ranges: [], tracks: [] },
    pointers: new Map(),
    hover: null,
    follow: true,
  };
  const s = state.current;

  useEffect(() => {
    let stopped = false;
    let asked = null;
    s.load = async () => {
      const { from, until } = s.view;
      asked?.abort();
      asked = new AbortController();
      const margin = (until - from) / 2;
      try {
        const answer = await get(
          `/api/cameras/${seg(camera)}/timeline?start=${seg(iso(from - margin))}&end=${seg(iso(until + margin))}&steps=${Math.max(64, 2 * (canvas.current?.clientWidth ?? 512))}`,
          { signal: asked.signal },
        );
        if (stopped) return;
        remember(camera, from - margin, until + margin, answer.masking.map(heldRow));
        s.data = {
          from: from - margin,
          step_us: answer.step_s * 1e6,
          density: answer.density,
          ranges: answer.spans.map((span_) => [us(span_.start), us(span_.end), span_.locked]),
          tracks: answer.passages.map((one) => ({
            ...one,
            first_us: us(one.first),
            last_us: us(one.last),
            best_us: us(one.best),
          })),
        };
      } catch (error) {
        // The player beside it says that the box is away; the last picture of the timeline stays.
        if (error.name !== "AbortError" && error.status === undefined) throw error;
      }
    };
    s.load();
    const again = setInterval(() => s.load(), 3000);
    let frame;
    const paint = () => {
      const at = head();
      if (live() && !s.wasLive) s.follow = true;
      s.wasLive = live();
      if (s.follow && at && !s.pointers.size) {
        const width = s.view.until - s.view.from;
        const edge = live() ? 0.93 : 0.5;
        if (at < s.view.from || at > s.view.from + width * (live() ? 0.95 : 0.98)) {
          s.view = { from: at - width * edge, until: at + width * (1 - edge) };
          s.load();
        }
      }
      if (canvas.current) draw(canvas.current, s.view, s.data, at, s.hover);
      frame = requestAnimationFrame(paint);
    };
    paint();
    return () => {
      stopped = true;
      asked?.abort();
      clearInterval(again);
      clearTimeout(s.later);
      cancelAnimationFrame(frame);
    };
  }, [camera]);

  const at = (event) => {
    const box = canvas.current.getBoundingClientRect();
    return s.view.from + ((event.clientX - box.left) / box.width) * (s.view.until - s.view.from);
  };
  const move = (from, until) => {
    const width = Math.min(WIDEST_US, Math.max(NARROWEST_US, until - from));
    const middle = (from + until) / 2;
    s.view = { from: middle - width / 2, until: middle + width / 2 };
    clearTimeout(s.later);
    s.later = setTimeout(s.load, 120);
  };
  const zoom = (around, factor) => {
    const width = Math.min(WIDEST_US, Math.max(NARROWEST_US, (s.view.until - s.view.from) * factor));
    const share = (around - s.view.from) / (s.view.until - s.view.from);
    move(around - share * width, around + (1 - share) * width);
    const now = head();
    if (now && (now < s.view.from || now > s.view.until)) s.follow = false; // zoomed into another time: stay there
  };

  const down = (event) => {
    canvas.current.setPointerCapture(event.pointerId);
    s.pointers.set(event.pointerId, event.clientX);
    s.moved = s.pointers.size > 1;
  };
  const drag = (event) => {
    s.hover = at(event);
    const box = canvas.current.getBoundingClientRect();
    setHover({ at: s.hover, x: Math.min(box.width - 92, Math.max(92, event.clientX - box.left)) });
    if (!s.pointers.has(event.pointerId)) return;
    const before = [...s.pointers.values()];
    const dx = event.clientX - s.pointers.get(event.pointerId);
    if (!s.moved && Math.abs(dx) < 4) return;
    s.moved = true;
    s.follow = false;
    s.pointers.set(event.pointerId, event.clientX);
    const after = [...s.pointers.values()];
    if (after.length === 2) {
      const [was, is] = [Math.abs(before[0] - before[1]), Math.abs(after[0] - after[1])];
      if (was > 8 && is > 8) zoom(at({ clientX: (after[0] + after[1]) / 2 }), was / is);
      return;
    }
    const shift = (-dx / box.width) * (s.view.until - s.view.from);
    move(s.view.from + shift, s.view.until + shift);
  };
  const up = (event) => {
    s.pointers.delete(event.pointerId);
    if (!s.moved && event.type === "pointerup") {
      s.follow = true;
      onSeek(at(event));
    }
  };
  const leave = () => {
    s.hover = null;
    setHover(null);
  };
  const wheel = (event) => {
    event.preventDefault();
    zoom(at(event), event.deltaY > 0 ? 1.25 : 0.8);
  };
  useEffect(() => {
    const target = canvas.current;
    target.addEventListener("wheel", wheel, { passive: false });
    return () => target.removeEventListener("wheel", wheel);
  });
  const key = (event) => {
    const factor = { "+": 0.5, "=": 0.5, "-": 2 }[event.key];
    if (!factor) return;
    event.preventDefault();
    zoom(head() ?? (s.view.from + s.view.until) / 2, factor);
  };
  const spoken = head() ? `${full(head())}; ${span((s.view.until - s.view.from) / 1e6)} in view` : "no picture yet";

  return html`<div class="timeline">
    <canvas ref=${canvas} height=${HEIGHT} tabindex="0" role="slider" aria-label="Timeline" aria-valuetext=${spoken}
      aria-valuemin="0" aria-valuemax="100" aria-valuenow="50" data-test="timeline"
      onPointerDown=${down} onPointerMove=${drag} onPointerUp=${up} onPointerCancel=${up} onPointerLeave=${leave}
        onKeyDown=${key} />
    ${
      hover &&
      html`<${Preview} camera=${camera} ...${hover}
      recorded=${s.data.ranges.some(([a, b]) => a <= hover.at && hover.at <= b)} />`
    }
    <div class="zooms" role="group" aria-label="Time in view">
      ${[
        { name: "1 min", span_s: 60 },
        { name: "10 min", span_s: 600 },
        { name: "1 h", span_s: 3600 },
        { name: "1 day", span_s: 86400 },
      ].map(
        ({ name, span_s }) => html`
        <button class="quiet" onClick=${() => {
          s.follow = true;
          const mid = head() ?? now_us();
          move(mid - span_s * 0.7e6, mid + span_s * 0.3e6);
        }}>${name}</button>`,
      )}
      <span class="keys-hint">wheel zooms · drag moves · click plays</span>
      <span class="legend">${["person", "bicycle", "car"].map(
        (name) => html`<i
        class=${`dot class-${name}`}></i>${name === "car" ? "vehicle" : name}`,
      )}</span>
    </div>
  </div>`;
}

function Preview({ camera, at, x, recorded }) {
  const [shown, setShown] = useState(null);
  useEffect(() => {
    if (!recorded) {
      setShown(null);
      return undefined;
    }
    const later = setTimeout(() => setShown(at), 60);
    return () => clearTimeout(later);
  }, [Math.round(at / 250e3), recorded]);
  return html`<figure class="preview" style=${{ left: `${x}px` }} aria-hidden="true">
    ${
      shown !== null && recorded
        ? html`<img alt="" src=${`/api/cameras/${seg(camera)}/thumbnail?width=176&at=${seg(iso(shown))}`} />`
        : html`<div class="nothing">${recorded ? "…" : "nothing recorded"}</div>`
    }
    <figcaption>${clock(at)}</figcaption></figure>`;
}

// The live grid: tiles that fill the window, each with its name, its state and the last hour in a strip.
import { html, useEffect, useRef, useState } from "../parts/html.js";
import { get, now_us, seg } from "../parts/api.js";
import { masking, useOnScreen } from "../parts/masking.js";
import { usePicture } from "../player/picture-now.js";
import { isCovered } from "../player/picture-state.js";
import { Outlines } from "../parts/released-places.js";
import { Player } from "../player/player.js";
import { go } from "../parts/route.js";
import { cameras, may, use } from "../parts/store.js";
import { iso, us } from "../parts/times.js";

const SIZES = [1, 4, 9, 16];
const HOUR_US = 3600e6;

function Strip({ camera }) {
  const canvas = useRef();
  useEffect(() => {
    let stopped = false;
    const paint = async () => {
      const until = now_us();
      let answer;
      try {
        answer = await get(
          `/api/cameras/${seg(camera)}/timeline?start=${seg(iso(until - HOUR_US))}&end=${seg(iso(until))}&steps=480`,
        );
      } catch (error) {
        if (error.status === undefined) throw error;
        return; // the tile's own state says what is wrong
      }
      if (stopped || !canvas.current) return;
      const g = canvas.current.getContext("2d");
      const x = (text) => ((us(text) - until + HOUR_US) / HOUR_US) * canvas.current.width;
      const style = getComputedStyle(document.documentElement);
      g.clearRect(0, 0, canvas.current.width, 8);
      g.fillStyle = style.getPropertyValue("--recorded");
      for (const span of answer.spans) g.fillRect(x(span.start), 5, Math.max(1, x(span.end) - x(span.start)), 3);
      for (const [kind, counts] of Object.entries(answer.density)) {
        g.fillStyle = style.getPropertyValue(`--class-${kind}`);
        for (const [step] of counts) g.fillRect((step * canvas.current.width) / 480, 0, 1, 4);
      }
    };
    paint();
    const timer = setInterval(paint, 10000);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [camera]);
  return html`<canvas class="strip" ref=${canvas} width="480" height="8" role="img"
    aria-label="Activity of the last hour"></canvas>`;
}

function Tile({ camera, number }) {
  const video = useRef();
  const player = useRef();
  const [said, setSaid] = useState({ state: "connecting" });
  useEffect(() => {
    player.current = new Player(video.current, camera.id, setSaid);
    player.current.live();
    return () => player.current.close();
  }, [camera.id]);
  useOnScreen(camera.id);
  const now = usePicture(camera, player, said, true);
  const mask = masking(camera);
  const covered = isCovered(now.kind);
  return html`<a class=${`tile ${covered ? "stale" : ""}`} href=${`#watch/${camera.id}`} data-test="tile"
    data-state=${said.state} data-kind=${now.kind}
      style=${camera.width ? { aspectRatio: `${camera.width} / ${camera.height}` } : {}}
      aria-label=${`${camera.name}, ${now.words}${mask.masked ? ", masked" : `, ${mask.tag}`}. Open large, key ${number}`}>
    <video ref=${video} muted playsinline tabindex="-1" aria-hidden="true"></video>
    <${Outlines} camera=${camera.id} />
    ${covered && html`<span class="over"><b>${now.words}</b> <span class="wide-only">${now.detail}</span></span>`}
    ${now.kind === "whole" && html`<span class="over whole"><b>${now.words}</b></span>`}
    <span class="caption"><b>${camera.name}</b><span class=${`tag ${now.kind}`}
      data-test="state">${now.kind === "whole" ? "live, all masked" : now.words}</span>
      ${!mask.masked && html`<span class="tag warn" data-test="mask" title=${mask.why}>${mask.tag}</span>`}
      <small class="push">${camera.width ? `${camera.width}×${camera.height}` : ""}</small></span>
    <${Strip} camera=${camera.id} />
  </a>`;
}

export function Live() {
  const list = use(cameras).filter((camera) => !camera.by_client);
  const fit = SIZES.find((size) => size >= list.length) ?? 16;
  const [chosen, setChosen] = useState(null);
  const [page, setPage] = useState(0);
  const size = chosen ?? fit;
  const pages = Math.max(1, Math.ceil(list.length / size));
  const shown = list.slice(page * size, (page + 1) * size);
  useEffect(() => {
    if (page >= pages) setPage(0);
  }, [pages]);
  useEffect(() => {
    const press = (event) => {
      if (
        event.defaultPrevented ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        event.target.closest("input, textarea, select, dialog")
      )
        return;
      const camera = shown[Number(event.key) - 1];
      if (camera && event.key !== "0") go("watch", camera.id);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });
  if (!list.length) {
    return html`<section class="empty"><h1>No camera yet</h1>
      <p>${
        may("admin")
          ? html`<a class="button" href="#cameras">Add the first
        camera</a>`
          : "Somebody with the right to add cameras has to add the first one, or give you the right to see one."
      }</p></section>`;
  }
  return html`<section class="wall" aria-label="Live">
    <div class="grid"
      style=${{ "--columns": Math.min(Math.sqrt(size), Math.max(1, Math.ceil(Math.sqrt(shown.length)))) }}
      data-count=${shown.length}>
      ${shown.map((camera, at) => html`<${Tile} key=${camera.id} camera=${camera} number=${at + 1} />`)}
    </div>
    <div class="controls" role="toolbar" aria-label="Grid">
      ${SIZES.map(
        (count) => html`<button class=${count === size ? "on" : "quiet"} aria-pressed=${count === size}
          aria-label=${`${count} pictures`}
        onClick=${() => {
          setChosen(count);
          setPage(0);
        }}>${count}</button>`,
      )}
      ${
        pages > 1 &&
        html`<button class="quiet" onClick=${() => setPage((page + pages - 1) % pages)}
          aria-label="Previous page">‹</button>
        <span>${page + 1} of ${pages}</span><button class="quiet" onClick=${() => setPage((page + 1) % pages)}
          aria-label="Next page">›</button>`
      }
      <span class="push"></span><small class="keys-hint">1–9 opens a camera large · ? lists the keys</small>
    </div>
  </section>`;
}

// The frozen picture: every object is a button; a box may be drawn by hand where the detector found nothing.
import { html, useRef, useState } from "../parts/html.js";
import { attempt, post, seg } from "../parts/api.js";
import { go } from "../parts/route.js";
import { masking } from "../parts/masking.js";
import { SelectionDialog } from "../parts/selection.js";
import { cameras, may, query, results, use } from "../parts/store.js";
import { CLASSES } from "./timeline.js";
import { clock, iso, us } from "../parts/times.js";

const SMALLEST = 0.015; // share of the picture; a smaller drag is a slip
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

export const colourWords = (colours) => {
  const parts = {};
  for (const colour of colours) if (!parts[colour.part]) parts[colour.part] = `${colour.part} ${colour.name}`;
  return Object.values(parts).join(", ");
};

// The part of the frozen (masked) picture inside `box`, as a picture of its own.
async function crop(picture, box) {
  const image = new Image();
  image.src = picture;
  await image.decode();
  const [x0, y0, x1, y1] = [
    box[0] * image.naturalWidth,
    box[1] * image.naturalHeight,
    box[2] * image.naturalWidth,
    box[3] * image.naturalHeight,
  ];
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(x1 - x0));
  canvas.height = Math.max(1, Math.round(y1 - y0));
  canvas.getContext("2d").drawImage(image, x0, y0, x1 - x0, y1 - y0, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

export function Frozen({ still, camera, whole = "", onClose, onStill }) {
  const [drawing, setDrawing] = useState(null);
  const [kind, setKind] = useState("person");
  const [masks, setMasks] = useState(false); // what a click does: it searches, or it chooses whom the camera masks
  const [who, setWho] = useState(null);
  const area = useRef();
  const mask = masking(
    use(cameras).find((one) => one.id === camera),
    still.at_us ?? null,
  );
  if (still.waiting) return html`<p class="over" role="status">looking for people and vehicles…</p>`;

  const choose = async (pick) => {
    query.set({
      still: still.key,
      pick: pick.number,
      camera,
      at_us: still.at_us,
      class: pick.class,
      colours: pick.colours,
      crop: await crop(still.picture, pick.box),
    });
    results.set(null);
    go("search");
  };
  const place = (event) => {
    const box = area.current.getBoundingClientRect();
    const share = (value) => Math.min(1, Math.max(0, value));
    return [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
  };
  /** @type {(a: number[], b: number[]) => number[]} */
  const boxOf = ([ax, ay], [bx, by]) => [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
  const down = (event) => {
    if (event.target.closest("button, select")) return;
    area.current.setPointerCapture(event.pointerId);
    setDrawing({ from: place(event), box: null });
  };
  const drag = (event) => {
    if (drawing) setDrawing({ ...drawing, box: boxOf(drawing.from, place(event)) });
  };
  const up = async () => {
    const box = drawing?.box;
    setDrawing(null);
    if (!box || box[2] - box[0] < SMALLEST || box[3] - box[1] < SMALLEST) return;
    const drawn = await attempt(() => post(`/api/stills/${seg(still.key)}/picks`, { box, class: kind }), {
      works: "The boxes that are there can be chosen.",
      todo: "Draw around one person or vehicle.",
      key: "draw",
    });
    if (!drawn) return;
    onStill({ ...still, picks: drawn.picks });
    await choose(drawn.picks[drawn.picks.length - 1]);
  };
  const style = (box) => ({
    left: `${box[0] * 100}%`,
    top: `${box[1] * 100}%`,
    width: `${(box[2] - box[0]) * 100}%`,
    height: `${(box[3] - box[1]) * 100}%`,
  });

  return html`<div class="frozen" ref=${area} data-test="frozen"
    style=${{ aspectRatio: `${still.width} / ${still.height}` }}
      onPointerDown=${down} onPointerMove=${drag} onPointerUp=${up} onPointerCancel=${() => setDrawing(null)}>
    <img src=${still.picture} alt=${`Frozen picture of ${clock(still.at_us)}, ${mask.masked ? "masked" : mask.tag}`}
      draggable=${false} />
    ${still.picks.map(
      (
        pick,
      ) => html`<button key=${pick.number} class=${`pick class-${pick.class}`} style=${style(pick.box)} data-test="pick"
        data-box=${pick.box.join(" ")}
          aria-label=${`${masks ? "Choose whether the camera masks" : "Search for"} this ${pick.class}${pick.colours.length ? `: ${colourWords(pick.colours)}` : ""}`}
        onClick=${() => (masks ? setWho({ still: still.key, pick: pick.number }) : choose(pick))}>
      <span class=${`name ${pick.box[1] < 0.08 ? "below" : ""}`}>${pick.class} ${Math.round(pick.score * 100)} %
        ${pick.colours.slice(0, 3).map(
          (colour) => html`<i class=${`swatch colour-${colour.name}`}
          title=${`${colour.part} ${colour.name}`}></i>`,
        )}
        <small>${colourWords(pick.colours)}</small></span></button>`,
    )}
    ${drawing?.box && html`<div class="drawn" style=${style(drawing.box)}></div>`}
  </div>
  <p
    class="frozen-help">${still.picks.length ? "Click who or what to search for, or draw a box:" : whole ? `${sentence(whole)} Nobody can be found in it; step to another picture, or draw a box:` : "Nothing was detected here. Draw a box around one:"}
    <label>it is a <select onChange=${(event) => setKind(event.target.value)}>
      ${CLASSES.map((name) => html`<option value=${name} selected=${name === kind}>${name}</option>`)}</select></label>
    ${
      may("admin") &&
      html`<label>a click <select data-test="click-does"
        onChange=${(event) => setMasks(event.target.value === "masks")}>
      <option value="searches">searches</option><option value="masks">chooses whom the camera
        masks</option></select></label>`
    }
    <button class="quiet" onClick=${onClose}>Close <kbd>Esc</kbd></button></p>
  ${who && html`<${SelectionDialog} camera=${camera} who=${who} onClose=${() => setWho(null)} />`}`;
}

// The still of a picture that is frozen, and what freezes it; {waiting} while the box looks for objects in it.
export function useFreeze(camera, player) {
  const [frozen, setFrozen] = useState(null);
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
  return { frozen, setFrozen, freeze };
}

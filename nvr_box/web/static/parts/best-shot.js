// The picture of a card: masked, or, while a reveal of its camera is on and it is asked for, the original with the
// watermark. What is clear lives on a canvas and goes with the reveal.
import { html, useEffect, useRef, useState } from "./html.js";
import { bytes, Refused, seg } from "./api.js";
import { openerOf, SealedStill } from "./reveal-worker.js";
import { Watermark } from "./watermark.js";

const HEIGHT_PX = 384; // a watermark can be read at that size

export const shotOf = (passage) => `/api/passages/${passage}/shot`;

// Opened here, or on the box, which then has drawn the watermark itself.
async function original(on, passage) {
  const jpeg = await bytes(`/api/reveals/${seg(on.id)}/cards/${passage}`);
  return on.in_browser ? openerOf(on.id).card(jpeg) : createImageBitmap(new Blob([jpeg]));
}

function draw(canvas, picture, on) {
  const times = Math.max(1, HEIGHT_PX / picture.height);
  canvas.width = Math.round(picture.width * times);
  canvas.height = Math.round(picture.height * times);
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  if (on.in_browser) new Watermark(on.watermark).draw(pen, canvas.width, canvas.height);
}

// `on`: the reveal under which this card is to be clear, null for masked.
export function CardShot({ passage, on, children }) {
  const canvas = useRef();
  const [bare, setBare] = useState(false);
  const [clear, setClear] = useState(null); // {id, why}: under which reveal, and why not
  useEffect(() => {
    if (!on) return undefined;
    let gone = false;
    original(on, passage)
      .then((picture) => {
        if (!gone && canvas.current) {
          draw(canvas.current, picture, on);
          setClear({ id: on.id, why: "" });
        }
        picture.close();
      })
      .catch((error) => {
        if (!(error instanceof Refused || error instanceof SealedStill)) throw error;
        if (!gone) setClear({ id: on.id, why: error.message });
      });
    return () => {
      gone = true;
      setClear(null);
    };
  }, [passage, on?.id]);
  const state = !on ? "masked" : clear?.id !== on.id ? "opening" : clear.why ? "sealed" : "clear";
  return html`<span class=${`shot ${state === "clear" ? "clear" : ""}`} data-test="shot" data-state=${state}>
    ${
      on &&
      html`<canvas ref=${canvas} hidden=${state !== "clear"} role="img"
      aria-label="Best shot, revealed"></canvas>`
    }
    ${
      state !== "clear" &&
      (bare
        ? html`<span class="nothing">the camera sent no best shot</span>`
        : html`<img
      src=${shotOf(passage)} alt="" loading="lazy" onError=${() => setBare(true)} />`)
    }
    ${state === "sealed" && html`<span class="why" role="status">${clear.why}</span>`}
    ${children}</span>`;
}

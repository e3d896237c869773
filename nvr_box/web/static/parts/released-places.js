// Released places: outlines on the picture; the list with who, when and why; for administrators another one, or one
// less. A place is released for a thing that looks like a person: what is doubtful there is not masked any more.
import { html, useRef, useState } from "./html.js";
import { attempt, call, post, Refused, seg } from "./api.js";
import { past, releasedAt, zonesAt } from "./masking.js";
import { refreshCameras } from "./camera-polling.js";
import { cameras, may, use } from "./store.js";
import { full, us } from "./times.js";

const SMALLEST = 0.015; // share of the picture; a smaller drag is a slip
const SIDES = [
  ["Left", 0],
  ["Top", 1],
  ["Right", 2],
  ["Bottom", 3],
];
const fits = (box) => box && box[2] - box[0] >= SMALLEST && box[3] - box[1] >= SMALLEST;
/** @type {(a: number[], b: number[]) => number[]} */
const boxOf = ([ax, ay], [bx, by]) => [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
const points = (zone) => zone.map((value, at) => `${value}${at % 2 ? " " : ","}`).join("");
const style = (box) => ({
  left: `${box[0] * 100}%`,
  top: `${box[1] * 100}%`,
  width: `${(box[2] - box[0]) * 100}%`,
  height: `${(box[3] - box[1]) * 100}%`,
});

// Over a picture that is shown whole in its frame. `drawn`: the box that is being drawn; `onDraw(box)` where one may be.
export function Outlines({ camera, at_us = null, drawn = null, onDraw = null }) {
  const area = useRef();
  const from = useRef(null);
  const known = use(cameras).find((one) => one.id === camera);
  use(past);
  const places = releasedAt(known, at_us);
  const zones = zonesAt(known, at_us);
  if (!known?.width || (!places.length && !zones.length && !onDraw)) return null;
  const place = (event) => {
    const box = area.current.getBoundingClientRect();
    const share = (value) => Math.min(1, Math.max(0, value));
    return [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
  };
  const down = (event) => {
    if (!onDraw) return;
    area.current.setPointerCapture(event.pointerId);
    from.current = place(event);
  };
  const drag = (event) => {
    if (from.current) onDraw(boxOf(from.current, place(event)));
  };
  const up = () => {
    from.current = null;
  };
  return html`<div class=${`placed ${onDraw ? "drawing" : ""}`} data-test="placed"><div class="frame" ref=${area}
    style=${{ "--ratio": known.width / known.height }}
      onPointerDown=${down} onPointerMove=${drag} onPointerUp=${up} onPointerCancel=${up}>
    ${
      zones.length > 0 &&
      html`<svg viewBox="0 0 1 1" preserveAspectRatio="none"
      aria-hidden="true">${zones.map(
        (zone) => html`<polygon points=${points(zone)}
      vector-effect="non-scaling-stroke" />`,
      )}</svg>`
    }
    ${places.map(
      (one) => html`<span class="place" key=${one.id} style=${style(one.box)} data-test="place"
      title=${`${one.reason} (${one.who})`}><small>released</small></span>`,
    )}
    ${drawn && html`<span class="drawn" style=${style(drawn)}></span>`}</div></div>`;
}

// Below the picture. `box`: what is drawn on it, null for nothing.
export function PlacesPanel({ camera, box, onBox, onClose }) {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const places = releasedAt(use(cameras).find((one) => one.id === camera));
  const admin = may("admin");
  const release = async (event) => {
    event.preventDefault();
    const form = event.target;
    setBusy(true);
    setRefusal(null);
    try {
      await post(`/api/cameras/${seg(camera)}/released-places`, { box, reason: new FormData(form).get("reason") });
      await refreshCameras();
      form.reset();
      onBox(null);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error.message);
    }
    setBusy(false);
  };
  const takeBack = async (place) => {
    await attempt(() => call("DELETE", `/api/cameras/${seg(camera)}/released-places/${seg(place.id)}`), {
      works: "The place stays released.",
      todo: "Try again when the camera answers.",
      key: "place",
    });
    refreshCameras();
  };
  const side = (at) => (event) => {
    const next = [...(box ?? [0.4, 0.3, 0.6, 0.7])];
    next[at] = Math.min(1, Math.max(0, Number(event.target.value) / 100));
    onBox(next);
  };
  return html`<section class="places" aria-label="Released places" data-test="places">
    <h2>Released places <span class="push"></span><button class="quiet" onClick=${onClose}>Close</button></h2>
    <p><small>For a thing that the camera takes for a person. What stands still there, or is doubtful, is not masked any
      more; whoever is followed there is masked all the same.</small></p>
    ${
      places.length
        ? html`<ul>${places.map(
            (one) => html`<li key=${one.id}
              data-test="place-row"><span><b>${one.reason}</b> <small>${one.who}, ${full(us(one.at))}</small></span>
      ${
        admin &&
        html`<button onClick=${() => takeBack(one)} data-test="take-back"
        aria-label=${`Take back: ${one.reason}`}>Take back</button>`
      }</li>`,
          )}</ul>`
        : html`<p>None on this camera.</p>`
    }
    ${
      admin &&
      html`<form onSubmit=${release}>
      <fieldset
        class="sides"><legend>${box ? "The place, in percent of the picture" : "Draw a box around the thing on the picture, or say where it is in percent"}</legend>
        ${SIDES.map(
          ([name, at]) => html`<label>${name} <input type="number" min="0" max="100" step="0.1"
          value=${box ? (box[at] * 100).toFixed(1) : ""} onChange=${side(at)} /></label>`,
        )}</fieldset>
      ${refusal && html`<p class="refusal" role="alert" data-test="refusal"><b>Refused.</b> ${refusal}</p>`}
      <label class="field">Why is nobody to be masked there? <small>at least 8 characters; stands beside the place and
        in the audit log</small>
        <input name="reason" required minlength="8" maxlength="300" autocomplete="off"
          placeholder="coat stand by the door" /></label>
      <div class="buttons start"><button class="danger" disabled=${busy || !fits(box)}
        data-test="release">${busy ? "asking the camera…" : "Release this place"}</button></div></form>`
    }
  </section>`;
}

// Whom a camera leaves open by choice, or masks alone: asked for by name, shown on its picture while it is on.
import { html, useEffect, useRef, useState } from "./html.js";
import { attempt, call, Refused, seg } from "./api.js";
import { selectionWords } from "./masking.js";
import { refreshCameras } from "./camera-polling.js";
import { cameraName, cameras, may, use } from "./store.js";

export function SelectionBanner({ camera }) {
  const now = use(cameras).find((one) => one.id === camera)?.masking?.selection;
  if (!now) return null;
  const end = async () => {
    await attempt(() => call("DELETE", `/api/cameras/${camera}/selection`), {
      works: "Who is in doubt stays masked.",
      todo: "Try again when the camera answers.",
      key: "selection",
    });
    refreshCameras();
  };
  return html`<p class="selection" role="status" data-test="selection"><b>Not everybody is
    masked:</b> ${selectionWords(now)}.
    ${may("admin") && html`<button class="quiet" data-test="selection-end" onClick=${end}>Mask everyone</button>`}</p>`;
}

// `who`: {still, pick} of a frozen picture or {passage} of a search result, seen by `camera`.
export function SelectionDialog({ camera, who, onClose }) {
  const dialog = useRef();
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const ours = use(cameras).filter((one) => one.veilcam);
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  const send = async (event) => {
    event.preventDefault();
    const { on, ...fields } = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(event.target)));
    setBusy(true);
    setRefusal(null);
    try {
      await call("PUT", `/api/cameras/${seg(on)}/selection`, { ...fields, ...who });
      await refreshCameras();
      onClose();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error.message);
      setBusy(false);
    }
  };
  return html`<dialog ref=${dialog} class="reveal-dialog" onClose=${onClose} aria-labelledby="selection-title"
    data-test="selection-dialog">
    <form onSubmit=${send}><h2 id="selection-title">Whom the camera masks</h2>
      ${refusal && html`<p class="refusal" role="alert" data-test="refusal"><b>Refused.</b> ${refusal}</p>`}
      <fieldset><legend>This person is</legend>
        <label><input type="radio" name="mode" value="except" checked /> left open; everybody else stays masked</label>
        <label><input type="radio" name="mode" value="only" /> masked; everybody else is left open</label></fieldset>
      <label class="field">What to call them <small>appears on the picture and in the audit log</small><input
        name="label" required maxlength="64" autocomplete="off" autofocus /></label>
      <label class="field">On <select name="on">${ours.map(
        (one) => html`<option value=${one.id}
        selected=${one.id === camera}>${cameraName(one.id)}</option>`,
      )}</select></label>
      <p><small>By clothing and an unbroken track, never by face: after a change of clothes it holds no more. Whoever is
        in doubt, or touches somebody masked, is masked.</small></p>
      <div class="buttons"><button type="button" class="quiet" onClick=${() => dialog.current.close()}>Cancel</button>
        <button class="danger" disabled=${busy}
          data-test="selection-go">${busy ? "asking the camera…" : "Change the mask"}</button></div></form></dialog>`;
}

// On a card of the search results.
export function SelectionButton({ camera, passage }) {
  const [open, setOpen] = useState(false);
  return html`<button class="quiet" data-test="card-selection" title="Leave this person open, or mask this person only"
    onClick=${() => setOpen(true)}>Leave open…</button>
    ${open && html`<${SelectionDialog} camera=${camera} who=${{ passage }} onClose=${() => setOpen(false)} />`}`;
}

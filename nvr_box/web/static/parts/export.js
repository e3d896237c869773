// A package of evidence: from, to, why; the revealed picture only with a passphrase.
import { html, useEffect, useRef, useState } from "./html.js";
import { post, Refused, seg } from "./api.js";
import { cameraName, may, revealWays, use } from "./store.js";
import { TimeField } from "./time-field.js";
import { bytes, clock, iso, span, us } from "./times.js";

const LONG_US = 30e6;
const LIVE_US = 5e6;

export function ExportDialog({ camera, at_us, end_us, onClose }) {
  const dialog = useRef();
  const ways = use(revealWays);
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState(null);
  const [revealed, setRevealed] = useState(false);
  // From what is on screen on; of a live picture what was before it. The video plays on meanwhile.
  const [times] = useState(() => {
    const from_us = end_us - at_us < LIVE_US ? end_us - LONG_US : at_us;
    return [from_us, Math.min(from_us + LONG_US, end_us)];
  });
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  const wish = ways.second_person
    ? ways.requests.find((one) => one.camera === camera && one.state === "approved")
    : null;
  const mayReveal = may("reveal") && (!ways.second_person || wish);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setBusy(true);
    setRefusal(null);
    try {
      setMade(
        await post("/api/exports", {
          camera,
          start: iso(Number(form.get("start_us"))),
          end: iso(Number(form.get("end_us"))),
          reason: form.get("reason"),
          passphrase: form.get("passphrase") ?? "",
          second_passphrase: form.get("second_passphrase") ?? "",
          approval: wish?.id ?? "",
        }),
      );
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error);
    } finally {
      for (const field of event.target.querySelectorAll("[type=password]")) field.value = "";
      setBusy(false);
    }
  };
  return html`<dialog ref=${dialog} aria-labelledby="export-title" onClose=${onClose}
    onClick=${(event) => event.stopPropagation()}>
    <form onSubmit=${submit}>
      <h2 id="export-title">Export ${cameraName(camera)}</h2>
      <p>A package with the masked recording, a report of what can be proven about it, and the box's signature over all.
        Your reason goes into it and into the audit log.</p>
      ${refusal && html`<p class="refusal" role="alert" data-test="refusal"><b>Refused.</b> ${refusal.message}</p>`}
      <label class="field">From <${TimeField} name="start" required us=${times[0]} /></label>
        <label class="field">To <small>at most an hour</small><${TimeField} name="end" required
          us=${times[1]} /></label>
      <label class="field">Reason <small>required, at least 8 characters</small><input name="reason" required
        minlength="8" maxlength="300" autocomplete="off" autofocus /></label>
      ${
        mayReveal &&
        html`<label class="check"><input type="checkbox" checked=${revealed} data-test="with-revealed"
          onChange=${(event) => setRevealed(event.target.checked)} /> with the revealed picture, opened on the box, your
          name on it</label>
        ${
          wish &&
          html`<small data-test="approved-time">${wish.approver} agreed
          to ${wish.whole_picture ? "the whole picture" : "one person"} from ${clock(us(wish.from))} to ${clock(us(wish.until))}:
          the export must lie within that.</small>`
        }`
      }
      ${
        revealed &&
        html`<label class="field">Passphrase of the reveal key <input name="passphrase" type="password"
        required autocomplete="off" /></label>`
      }
      ${
        revealed &&
        ways.dual_control &&
        html`<label class="field">Passphrase of the second operator <input
        name="second_passphrase" type="password" required autocomplete="off" /></label>`
      }
      ${
        made &&
        html`<p class="verdict good" role="status"><a href=${`/api/exports/${seg(made.id)}`}
        download=${made.name} data-test="package">${made.name}</a>, ${bytes(made.bytes)}; here
        for ${span(900)}. <code>python -m nvr_box verify</code> checks it.</p>`
      }
      <div class="buttons"><button type="button" class="quiet"
        onClick=${() => dialog.current.close()}>Close <kbd>Esc</kbd></button>
        <button class="primary" disabled=${busy}
          data-test="export-go">${busy ? "packing…" : made ? "Make another" : "Make the package"}</button></div>
    </form></dialog>`;
}

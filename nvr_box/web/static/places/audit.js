// The audit log: newest first, filtered, each row open to the full record, the chain checked at a press.
import { html, useEffect, useState } from "../parts/html.js";
import { attempt, get, post } from "../parts/api.js";
import { cameraName, cameras, use } from "../parts/store.js";
import { TimeField } from "../parts/time-field.js";
import { clock, day, full, iso, us } from "../parts/times.js";

const PAGE = 100;
const LOUD = new Set(["reveal", "reveal-keys", "reveal-end", "export", "keys", "hold", "select", "user-change"]);

function Row({ entry }) {
  const [open, setOpen] = useState(false);
  const at = us(entry.at);
  return html`<tbody data-test="entry" data-action=${entry.action} data-granted=${entry.granted ? "yes" : "no"}>
    <tr class=${entry.granted ? "" : "refused"}><td><button class="link" aria-expanded=${open}
      onClick=${() => setOpen(!open)}>${open ? "▾" : "▸"} ${day(at)} ${clock(at)}</button></td>
      <td>${entry.who}</td><td><span class=${`tag ${LOUD.has(entry.action) ? "warn" : ""}`}>${entry.action}</span></td>
      <td>${entry.camera === null ? "" : cameraName(entry.camera)}</td><td>${entry.reason}</td>
      <td>${entry.granted ? "" : html`<span class="tag lost">refused</span>`}</td></tr>
    ${
      open &&
      html`<tr class="more"><td colspan="6"><dl><dt>Number</dt><dd>${entry.number}</dd><dt>Time</dt><dd>${full(at)}</dd>
      ${Object.entries(entry.details).map(([name, value]) => html`<dt>${name.replaceAll("_", " ")}</dt><dd>${String(value)}</dd>`)}
      <dt>Hash</dt><dd><code>${entry.hash}</code></dd></dl></td></tr>`
    }
  </tbody>`;
}

export function Audit() {
  const list = use(cameras);
  const [entries, setEntries] = useState(null);
  const [actions, setActions] = useState([]);
  const [chosen, setChosen] = useState({ who: "", camera: "", action: "", start: null, end: null });
  const [more, setMore] = useState(false);
  const [verdict, setVerdict] = useState(null);
  const load = async (before) => {
    const asked = new URLSearchParams({ limit: String(PAGE) });
    for (const name of ["who", "camera", "action"]) if (chosen[name]) asked.set(name, chosen[name]);
    for (const name of ["start", "end"]) if (chosen[name]) asked.set(name, iso(chosen[name]));
    if (before) asked.set("before", before);
    const answer = await attempt(() => get(`/api/audit?${asked}`), {
      works: "Entries go on being written.",
      key: "audit",
    });
    if (!answer) return;
    setEntries((old) => (before ? [...old, ...answer.entries] : answer.entries));
    setActions(answer.actions);
    setMore(answer.entries.length === PAGE);
  };
  useEffect(() => {
    load();
  }, [JSON.stringify(chosen)]);
  const check = async () => {
    setVerdict({ busy: true });
    setVerdict((await attempt(() => post("/api/audit/verify"), { key: "audit" })) ?? null);
  };
  const field = (name) => ({
    value: chosen[name],
    onChange: (event) => setChosen({ ...chosen, [name]: event.target.value }),
  });
  return html`<section class="page" aria-label="Audit"><h1>Audit</h1>
    <div class="filters" role="search">
      <label>Person <input size="12" ...${field("who")} /></label>
      <label>Action <select ...${field("action")}><option value="">all</option>${actions.map(
        (name) => html`<option
        value=${name}>${name}</option>`,
      )}</select></label>
      <label>Camera <select ...${field("camera")}><option value="">all</option>${list.map(
        (camera) => html`<option
        value=${camera.id}>${camera.name}</option>`,
      )}</select></label>
      <label>From <${TimeField} onPick=${(start) => setChosen((before) => ({ ...before, start }))} /></label>
      <label>To <${TimeField} onPick=${(end) => setChosen((before) => ({ ...before, end }))} /></label>
      <span class="push"></span><button onClick=${check} data-test="verify">Check the chain</button></div>
    ${
      verdict &&
      html`<p class=${`verdict ${verdict.busy ? "" : verdict.whole ? "good" : "bad"}`} role="status"
        data-test="verdict">
      ${
        verdict.busy
          ? "recomputing…"
          : verdict.whole
            ? `The chain is whole: ${verdict.entries} entries, none changed or missing.${
                verdict.head
                  ? ` The box signed entry ${verdict.head.number} at ${full(us(verdict.head.signed))}: ${verdict.head.hash}`
                  : ""
              }`
            : `The chain is broken at entry ${verdict.broken_at}: ${verdict.why}`
      }</p>`
    }
    ${(verdict?.lost ?? []).map((words) => html`<p class="verdict bad" role="status">Lost before: ${words}</p>`)}
    ${
      entries &&
      html`<div class="scroll"><table
        class="list"><thead><tr><th>Time</th><th>Who</th><th>What</th><th>Camera</th><th>Reason</th><th></th></tr></thead>
      ${entries.map((entry) => html`<${Row} key=${entry.number} entry=${entry} />`)}</table></div>`
    }
    ${entries && !entries.length && html`<p>No entry passes these filters.</p>`}
    ${more && html`<button onClick=${() => load(entries[entries.length - 1].number)}>Older entries</button>`}
    <p><small>That you looked is an entry too.</small></p></section>`;
}

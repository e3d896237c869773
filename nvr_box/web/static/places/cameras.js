// Cameras: which there are and how they do, which answer on the network, and adding one with every step shown.
import { html, useEffect, useRef, useState } from "../parts/html.js";
import { attempt, call, lines, post, Refused } from "../parts/api.js";
import { refreshCameras } from "../parts/camera-polling.js";
import { masking } from "../parts/masking.js";
import { cameraState } from "../player/picture-state.js";
import { cameras, may, tell, use } from "../parts/store.js";
import { bytes, day, full, span } from "../parts/times.js";

// What is left empty stays as it is; the box tries it before it keeps it.
function Reaching({ camera }) {
  const form = useRef();
  const [busy, setBusy] = useState(false);
  const save = async (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(form.current)].filter(([, value]) => value));
    if (!Object.keys(values).length) return;
    setBusy(true);
    const done = await attempt(() => call("PATCH", `/api/cameras/${camera.id}`, values), {
      works: "Nothing was changed.",
      todo: "Check the address, the user and the password at the camera.",
      key: `camera-${camera.id}`,
    });
    setBusy(false);
    if (done === undefined) return;
    form.current.reset();
    refreshCameras();
    tell(`${camera.name} answers and is used so from now on.`, { kind: "note" });
  };
  return html`<form ref=${form} class="adding" onSubmit=${save} aria-label=${`Address and password of ${camera.name}`}
    data-test="reaching">
    <label class="field">Address <input name="address" placeholder=${camera.xaddr} autocomplete="off"
      spellcheck=${false} /></label>
    <label class="field">User <input name="user" placeholder="as before" autocomplete="off" /></label>
    <label class="field">New password <input name="password" type="password" autocomplete="off" /></label>
    <div class="buttons"><button disabled=${busy}>${busy ? "trying…" : "Try and keep"}</button></div></form>`;
}

function Row({ camera }) {
  const [more, setMore] = useState(false);
  const now = cameraState(camera);
  const mask = masking(camera);
  const act = async (work, todo) => {
    if (
      (await attempt(work, { works: "Other cameras are not affected.", todo, key: `camera-${camera.id}` })) !==
      undefined
    )
      refreshCameras();
  };
  const rename = () => {
    const name = prompt("Name of this camera", camera.name);
    if (name && name !== camera.name) act(() => call("PATCH", `/api/cameras/${camera.id}`, { name }));
  };
  const remove = () => {
    if (
      confirm(
        `Remove ${camera.name}? Its recordings stay until they are too old. It is unpaired and no longer recorded.`,
      )
    )
      act(() => call("DELETE", `/api/cameras/${camera.id}`));
  };
  return html`<tbody data-test="camera" data-state=${camera.state}>
    <tr><th scope="row"><button class="link" aria-expanded=${more}
      onClick=${() => setMore(!more)}>${more ? "▾" : "▸"} ${camera.name}</button>${
        camera.by_client &&
        camera.oldest_us &&
        html` <a
      href=${`#watch/${camera.id}`}>watch</a>`
      }</th>
      <td><span class=${`tag ${now.kind}`} data-test="state">${now.words}</span></td>
      <td>${camera.width ? `${camera.width}×${camera.height}, ${camera.rate_fps.toFixed(0)} fps` : "–"}</td>
      <td>${
        camera.by_client
          ? html`<span class="tag" data-test="by-client">by a
        client</span>`
          : mask.masked
            ? html`<span class="tag good">masks on the camera</span>`
            : html`<span
        class="tag warn" title=${mask.why}>${mask.tag}</span>`
      }</td>
      <td class="num">${bytes(camera.recorded_bytes)}</td>
      <td>${camera.oldest_us ? `since ${day(camera.oldest_us)}` : "–"}</td>
      <td
        class="num">${camera.clock_offset_s === null ? "–" : `${camera.clock_offset_s >= 0 ? "+" : "−"}${Math.abs(camera.clock_offset_s).toFixed(1)} s`}</td></tr>
    ${
      (now.detail || camera.message) &&
      html`<tr
      class=${camera.state === "off" || now.kind === "whole" ? "" : "why"}><td colspan="7"
      role="status">${now.detail || camera.message}</td></tr>`
    }
    ${
      more &&
      html`<tr class="more"><td colspan="7"><dl>
      ${
        camera.by_client
          ? html`<dt>Made</dt><dd>${full(camera.added_us)} by an ONVIF client, which decides what is recorded</dd>
        <dt>Source</dt><dd>${camera.source || "none now"}</dd>`
          : html`
      <dt>Address</dt><dd>${camera.xaddr}</dd><dt>Make</dt><dd>${[camera.manufacturer, camera.model, camera.serial].filter(Boolean).join(" · ") || "–"}</dd>
      <dt>Mask</dt><dd>${mask.masked ? "everybody, whole bodies" : `${mask.tag}: ${mask.why}`}</dd>
      <dt>Stream</dt><dd>${camera.profile}, ${camera.codec || "–"}</dd>
      <dt>Added</dt><dd>${full(camera.added_us)}</dd>
      <dt>Clock</dt><dd>${camera.clock_offset_s === null ? "not known" : Math.abs(camera.clock_offset_s) > 2 ? `${span(Math.abs(camera.clock_offset_s))} off; set the camera's time server` : "right"}</dd>
      ${
        camera.veilcam &&
        html`<dt>Pairing</dt><dd>${camera.paired ? "paired with this box" : "not paired"}, ${camera.packets} passages
          taken</dd>
        <dt>Fingerprint</dt><dd><code class="fingerprint">${camera.fingerprint}</code><br /><small>Compare it with what
          the camera itself prints. If they differ, somebody stands between: remove the camera.</small></dd>`
      }`
      }
      </dl>
      ${
        may("admin") &&
        html`<div class="buttons start"><button onClick=${rename}>Rename…</button>
        <button
          onClick=${() => act(() => call("PATCH", `/api/cameras/${camera.id}`, { recording: !camera.recording }))}>${camera.recording ? "Stop recording" : "Record"}</button>
        ${
          camera.veilcam &&
          html`<button
          onClick=${() => act(() => post(`/api/cameras/${camera.id}/pair`), "If the camera belongs to another box, unpair it there first.")}>Pair
          again</button>`
        }
        <button class="danger" onClick=${remove}>Remove…</button></div>
        ${!camera.by_client && html`<${Reaching} camera=${camera} />`}`
      }</td></tr>`
    }
  </tbody>`;
}

function Adding({ at, onDone }) {
  const [steps, setSteps] = useState(null);
  const form = useRef();
  useEffect(() => {
    if (at) {
      form.current.elements.address.value = at;
      form.current.elements.password.focus();
    }
  }, [at]);
  const run = async (add) => {
    if (!form.current.reportValidity()) return;
    const values = Object.fromEntries(new FormData(form.current));
    setSteps([]);
    try {
      for await (const step of lines(add ? "/api/cameras" : "/api/cameras/test", values)) {
        if (step.error) {
          setSteps((list) => [...list, { name: "add", ok: false, detail: step.error }]);
          return;
        }
        if (step.camera) {
          form.current.reset();
          refreshCameras();
          onDone();
          tell(`${step.camera.name} is added and being recorded.`, {
            kind: "note",
            todo: step.camera.veilcam
              ? "Compare its pairing fingerprint below."
              : "It does not mask people: who may view it sees everybody.",
          });
          continue;
        }
        setSteps((list) => [...list, step]);
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setSteps((list) => [...list, { name: "box", ok: false, detail: error.message }]);
    }
  };
  return html`<form ref=${form} class="adding" onSubmit=${(event) => {
    event.preventDefault();
    run(true);
  }} aria-label="Add a camera by its address">
    <label class="field">Address <input name="address" required
      placeholder="192.0.2.10 or http://…/onvif/device_service" autocomplete="off" spellcheck=${false} /></label>
    <label class="field">User <input name="user" required value="admin" autocomplete="off" /></label>
    <label class="field">Password <input name="password" type="password" required autocomplete="off" /></label>
    <label class="field">Name <small>optional</small> <input name="name" maxlength="60" autocomplete="off" /></label>
    <div class="buttons"><button type="button" onClick=${() => run(false)}>Test</button><button
      class="primary">Add</button></div>
    ${
      steps &&
      html`<ol class="steps" aria-live="polite">${steps.map(
        (step) => html`<li
        class=${step.ok ? "good" : "bad"}><b>${step.ok ? "✓" : "✗"} ${step.name}</b> ${step.detail}</li>`,
      )}
      ${!steps.length && html`<li class="busy">asking…</li>`}</ol>`
    }
  </form>`;
}

export function Cameras() {
  const list = use(cameras);
  const [found, setFound] = useState(null);
  const [looking, setLooking] = useState(false);
  const [at, setAt] = useState(null);
  const look = async () => {
    setLooking(true);
    const answer = await attempt(() => post("/api/cameras/discover"), {
      works: "Cameras that are added are not affected.",
      todo: "Add the camera by its address.",
      key: "discover",
    });
    setLooking(false);
    if (answer) setFound(answer.found);
  };
  return html`<section class="page" aria-label="Cameras"><h1>Cameras</h1>
    <div class="scroll"><table class="list"><thead><tr><th>Name</th><th>State</th><th>Picture</th><th>Privacy</th><th
      class="num">Recorded</th><th>Kept</th><th class="num">Clock</th></tr></thead>
      ${list.map((camera) => html`<${Row} key=${camera.id} camera=${camera} />`)}</table></div>
    ${!list.length && html`<p>None yet.</p>`}
    ${
      may("admin") &&
      html`<div class="two"><div><h2>Found on the network</h2>
        <button onClick=${look} disabled=${looking}
          data-test="discover">${looking ? "listening…" : "Look for cameras"}</button>
        ${
          found &&
          html`<ul class="foundlist">${found.map(
            (
              device,
            ) => html`<li><span><b>${device.name || device.hardware || "camera"}</b> <small>${device.hardware} · ${device.address}</small></span>
          ${
            device.added
              ? html`<span class="tag good">added</span>`
              : html`<button
            onClick=${() => setAt(device.xaddrs[0])}>Add…</button>`
          }</li>`,
          )}
          ${
            !found.length &&
            html`<li>No camera answered. Discovery does not cross routers: add it by
            address.</li>`
          }</ul>`
        }</div>
      <div><h2>Add by address</h2><${Adding} at=${at} onDone=${() => {
        setAt(null);
        setFound(null);
      }} /></div></div>`
    }
  </section>`;
}

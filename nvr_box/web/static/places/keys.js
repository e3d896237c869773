// Keys: who can open what, by public halves only; revoking a key, destroying a day, holding a stretch for a case.
import { html, useEffect, useState } from "../parts/html.js";
import { call, get, post, Refused, seg } from "../parts/api.js";
import { cameraName, cameras, use } from "../parts/store.js";
import { TimeField } from "../parts/time-field.js";
import { clock, day as dayOf, full, iso, span, us } from "../parts/times.js";

// One thing that is done at a press; what the box refuses is said beside it.
function useAct(onDone) {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const act = async (work) => {
    setRefusal(null);
    setBusy(true);
    try {
      await work();
      onDone();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error.message);
    }
    setBusy(false);
  };
  const said = refusal && html`<p class="refusal" role="alert" data-test="refusal"><b>Refused.</b> ${refusal}</p>`;
  return { act, busy, said };
}

const groups = (fingerprint) =>
  fingerprint
    .match(/.{1,4}/g)
    .slice(0, 8)
    .join(" ");
const state = (key) =>
  key.destroyed
    ? html`<span class="tag lost">destroyed ${dayOf(us(key.destroyed))}</span>`
    : key.revoked
      ? html`<span class="tag warn">revoked ${dayOf(us(key.revoked))}</span>`
      : html`<span class="tag good">in force</span>`;

function Revoke({ one, onDone }) {
  const { act, busy, said } = useAct(onDone);
  return html`<div class="account"><p>From the next key frame on, cameras seal nothing
    to <b>${one.label || one.kid}</b> any more; they are told within a minute.
      What was recorded before still opens with it: to take that away as well, <code>python -m nvr_box keys
        shred ${one.kid}</code> on the box destroys the key.</p>
    ${said}<div class="buttons"><button class="danger" disabled=${busy} data-test="revoke-go"
      onClick=${() => act(() => post(`/api/keys/${seg(one.kid)}/revoke`))}>Revoke this key</button></div></div>`;
}

function Recipients({ list, onDone }) {
  const [open, setOpen] = useState(null);
  return html`<h2>Who opens originals</h2><div class="scroll"><table
    class="list"><thead><tr><th>Name</th><th>Kind</th><th>Fingerprint</th><th>Added</th><th>State</th><th></th></tr></thead>
    ${list.map(
      (one) => html`<tbody key=${one.kid} data-test="key" data-kid=${one.kid}><tr><th
        scope="row">${one.label || "–"}</th><td>${one.kind === "escrow" ? "in pieces" : "operator"}, ${one.algorithm}
        <br /><small>${one.here ? "private half on the box, under its passphrase" : "private half not on the box"}</small></td>
      <td><code class="fingerprint"
        title=${one.fingerprint}>${groups(one.fingerprint)}</code></td><td>${full(us(one.added))}</td><td>${state(one)}</td>
      <td>${
        !one.revoked &&
        !one.destroyed &&
        html`<button data-test="revoke" aria-expanded=${open === one.kid}
        aria-label=${`Revoke the key of ${one.label || one.kid}`}
        onClick=${() => setOpen(open === one.kid ? null : one.kid)}>Revoke…</button>`
      }</td></tr>
      ${
        open === one.kid &&
        html`<tr class="more"><td colspan="6"><${Revoke} one=${one} onDone=${() => {
          setOpen(null);
          onDone();
        }} /></td></tr>`
      }</tbody>`,
    )}</table></div>
    ${
      !list.length &&
      html`<p>Nobody yet: cameras seal the originals to nobody until <code>python -m nvr_box keys
      create</code> makes the first key.</p>`
    }`;
}

const lengths = (recorded) =>
  Object.entries(recorded)
    .map(([camera, s]) => `${cameraName(Number(camera))} ${span(s)}`)
    .join(", ");

function Shred({ one, holds, escrow, onDone }) {
  const [typed, setTyped] = useState("");
  const { act, busy, said } = useAct(onDone);
  const stays = holds.filter((each) => one.holds.includes(each.number) && each.sealed);
  return html`<div class="account" data-test="shred-form"><p><b>Nobody will be able to restore the originals
    of ${one.day} again</b>, from no copy and no
    back-up: ${lengths(one.recorded) || "nothing is recorded of it any more"}.
      The masked video stays.</p>
    ${stays.map(
      (each) => html`<p>What stays for who holds the key
      of ${each.case}: ${cameraName(each.camera)}, ${clock(us(each.start))} to ${clock(us(each.end))}.</p>`,
    )}
    ${
      escrow &&
      html`<p>Cameras seal to the key in pieces as well: whoever brings enough pieces together still opens
      this day.</p>`
    }
    ${said}<label class="field">Type <b>${one.day}</b> to destroy its keys <input value=${typed}
      onInput=${(event) => setTyped(event.target.value)} data-test="shred-typed" autocomplete="off" /></label>
    <div class="buttons"><button class="danger" disabled=${typed !== one.day || busy} data-test="shred-go"
      onClick=${() => act(() => post(`/api/keys/days/${seg(one.day)}/shred`, { typed }))}>Destroy the keys of this
      day</button></div></div>`;
}

function Days({ answer, onDone }) {
  const [open, setOpen] = useState(null);
  const escrow = answer.keys.some((key) => key.kind === "escrow" && !key.revoked);
  return html`<h2>Days</h2><div class="scroll"><table class="list"><thead><tr><th>Day</th><th>Key</th><th>Opened
    by</th><th>Recorded</th><th>On hold</th><th></th></tr></thead>
    ${answer.days.map(
      (one) => html`<tbody key=${one.day} data-test="day" data-day=${one.day}><tr><th scope="row">${one.day}</th>
      <td>${
        one.keys.length
          ? html`<span
        class="tag good">${one.keys.length === 1 ? "there" : `${one.keys.length} keys`}</span>`
          : one.destroyed
            ? html`<span
        class="tag lost">destroyed ${full(us(one.destroyed))}</span>`
            : "none"
      }</td>
      <td>${one.opened_by.join(", or ") || "–"}</td><td>${lengths(one.recorded) || "–"}</td>
      <td>${answer.holds
        .filter((each) => one.holds.includes(each.number))
        .map((each) => each.case)
        .join(", ")}</td>
      <td>${
        one.keys.length > 0 &&
        html`<button data-test="shred" aria-expanded=${open === one.day}
        aria-label=${`Destroy the keys of ${one.day}`}
        onClick=${() => setOpen(open === one.day ? null : one.day)}>Destroy…</button>`
      }</td></tr>
      ${
        open === one.day &&
        html`<tr class="more"><td colspan="6"><${Shred} one=${one} holds=${answer.holds} escrow=${escrow}
          onDone=${() => {
            setOpen(null);
            onDone();
          }} /></td></tr>`
      }</tbody>`,
    )}</table></div>
    ${
      !answer.rotate &&
      html`<p>Keys of days are switched off (<code>reveal.rotate</code>): cameras seal to the
      operators' own keys.</p>`
    }`;
}

function Seal({ one, fresh, dual, onDone }) {
  const { act, busy, said } = useAct(onDone);
  const send = async (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = Object.fromEntries(new FormData(form));
    await act(() => post(`/api/keys/holds/${one.number}/seal`, fields));
    form.reset(); // passphrases do not stay in a form
  };
  return html`<form class="account" onSubmit=${send} data-test="seal-form"><p>The keys of exactly this stretch are
    sealed to the key of ${one.case}. Its day can be destroyed then; this stretch stays, for who holds the key of the
    case. The passphrases go to the box for that.</p>
    ${said}<label class="field">Operator's passphrase <input name="passphrase" type="password" required
      autocomplete="off" /></label>
    ${
      dual &&
      html`<label class="field">Second operator's passphrase <input name="second_passphrase" type="password"
      required autocomplete="off" /></label>`
    }
    ${
      fresh &&
      html`<label class="field">New passphrase of ${one.case} <small>at least 12 characters; it opens what is
      held for the case</small><input name="case_passphrase" type="password" required minlength="12"
      autocomplete="new-password" /></label>`
    }
    <div class="buttons"><button class="primary" disabled=${busy}
      data-test="seal-go">${busy ? "sealing…" : "Seal to the case"}</button></div></form>`;
}

function Lift({ one, onDone }) {
  const { act, busy, said } = useAct(onDone);
  const send = (event) => {
    event.preventDefault();
    act(() => call("DELETE", `/api/keys/holds/${one.number}`, Object.fromEntries(new FormData(event.target))));
  };
  return html`<form class="account" onSubmit=${send} data-test="lift-form"><p>What was sealed to the case for this hold
    is destroyed, and the recording is kept no longer than any other.</p>
    ${said}<label class="field">Reason <input name="reason" required minlength="8" maxlength="300"
      autocomplete="off" /></label>
    <div class="buttons"><button class="danger" disabled=${busy} data-test="lift-go">Lift the
      hold</button></div></form>`;
}

const sealing = (one) =>
  one.sealed
    ? html`<span class="tag good">sealed, ${one.kept} groups of pictures</span>`
    : one.kept
      ? html`<span class="tag warn">${one.missed} of ${one.kept + one.missed} groups did not open</span>`
      : html`<span class="tag warn">not sealed: its day cannot be destroyed</span>`;

function Held({ answer, onDone }) {
  const [open, setOpen] = useState("");
  const done = () => {
    setOpen("");
    onDone();
  };
  const toggle = (name) => setOpen(open === name ? "" : name);
  return html`<div class="scroll"><table class="list"><thead><tr><th>Case</th><th>Camera</th><th>Stretch</th><th>Why, by
    whom</th><th>State</th><th></th></tr></thead>
    ${answer.holds.map(
      (one) => html`<tbody key=${one.number} data-test="hold" data-sealed=${one.sealed ? "yes" : "no"}><tr><th
        scope="row">${one.case}</th><td>${cameraName(one.camera)}</td>
      <td>${full(us(one.start))} to ${clock(us(one.end))}</td><td>${one.reason}<br /><small>${one.who}, ${full(us(one.placed))}</small></td><td>${sealing(one)}</td>
      <td><div class="buttons">${
        !one.sealed &&
        html`<button data-test="seal"
        onClick=${() => toggle(`seal ${one.number}`)}>Seal…</button>`
      }<button data-test="lift"
        onClick=${() => toggle(`lift ${one.number}`)}>Lift…</button></div></td></tr>
      ${
        open === `seal ${one.number}` &&
        html`<tr class="more"><td colspan="6"><${Seal} one=${one}
        fresh=${!answer.cases[one.case]} dual=${answer.dual_control} onDone=${done} /></td></tr>`
      }
      ${
        open === `lift ${one.number}` &&
        html`<tr class="more"><td colspan="6"><${Lift} one=${one}
        onDone=${done} /></td></tr>`
      }</tbody>`,
    )}</table></div>`;
}

function Place({ onDone }) {
  const list = use(cameras);
  const { act, busy, said } = useAct(onDone);
  const [placed, setPlaced] = useState(0);
  const send = (event) => {
    event.preventDefault();
    const form = event.target;
    const { start: _start, end: _end, start_us, end_us, ...fields } = Object.fromEntries(new FormData(form));
    act(async () => {
      await post("/api/keys/holds", {
        ...fields,
        camera: Number(fields.camera),
        start: iso(Number(start_us)),
        end: iso(Number(end_us)),
      });
      form.reset();
      setPlaced((n) => n + 1);
    });
  };
  return html`<form class="account" onSubmit=${send} data-test="hold-form" aria-label="Place a hold"><h2>Place a
    hold</h2>
    ${said}<div class="adding"><label class="field">Case <input name="case" required maxlength="64"
      pattern="[A-Za-z0-9][A-Za-z0-9._\\-]*" title="letters, digits, dot, dash and underscore"
      autocomplete="off" /></label>
    <label class="field">Camera <select name="camera">${list.map(
      (one) => html`<option
      value=${one.id}>${one.name}</option>`,
    )}</select></label>
    <label class="field">Reason <input name="reason" required minlength="8" maxlength="300"
      autocomplete="off" /></label>
    <label class="field">From <${TimeField} key=${`start ${placed}`} name="start" required /></label>
    <label class="field">To <${TimeField} key=${`end ${placed}`} name="end" required /></label></div>
    <div class="buttons"><button class="primary" disabled=${busy} data-test="hold-go">Place the
      hold</button></div></form>`;
}

export function Keys() {
  const [answer, setAnswer] = useState(null);
  const [refusal, setRefusal] = useState("");
  use(cameras);
  const load = () =>
    get("/api/keys").then(
      (got) => {
        setAnswer(got);
        setRefusal("");
      },
      (error) => {
        if (!(error instanceof Refused)) throw error;
        setRefusal(error.message);
      },
    );
  useEffect(() => {
    load();
  }, []);
  if (refusal) return html`<p class="boot" role="alert">${refusal}</p>`;
  if (!answer) return html`<p class="boot">…</p>`;
  return html`<section class="page" aria-label="Keys"><h1>Keys</h1>
    <${Recipients} list=${answer.keys} onDone=${load} />
    ${
      answer.dual_control &&
      html`<p><span class="tag warn">dual control</span> Days open to two operators together
      only.</p>`
    }
    <${Days} answer=${answer} onDone=${load} />
    <h2>Holds</h2>${
      answer.holds.length
        ? html`<${Held} answer=${answer} onDone=${load} />`
        : html`<p>Nothing is on
      hold.</p>`
    }
    <${Place} onDone=${load} />
    <p><small>Public halves only: no private key and no passphrase is ever shown here. New keys, keys in pieces and dual
      control are made on the box itself, with <code>python -m nvr_box keys</code>. Everything done here is in the audit
      log.</small></p></section>`;
}

// Accounts: what everybody may do, said in words; a removal is typed out.
import { html, useEffect, useState } from "../parts/html.js";
import { call, get, Refused, seg } from "../parts/api.js";
import { cameras, me, use } from "../parts/store.js";

const WORDS = {
  viewer: "watch live and recorded pictures, masked",
  operator: "search, freeze, export",
  reveal: "see originals, with a reason",
  approve: "agree to others' reveals, read the audit log",
  admin: "cameras, accounts, read the audit log",
};

function Rights({ held, all, onChange }) {
  return html`<fieldset><legend>May</legend>${all.map(
    (right) => html`<label class="check"><input type="checkbox" checked=${held.includes(right)}
    data-right=${right}
      onChange=${(event) => onChange(event.target.checked ? [...held, right] : held.filter((one) => one !== right))} /> ${WORDS[right] ?? right}</label>`,
  )}</fieldset>`;
}

function Where({ where, onChange }) {
  const list = use(cameras);
  const every = where === null;
  return html`<fieldset><legend>On</legend>
    <label class="check"><input type="checkbox" checked=${every}
      onChange=${(event) => onChange(event.target.checked ? null : list.map((one) => one.id))} /> every camera, also
      those to come</label>
    ${
      !every &&
      list.map(
        (one) => html`<label class="check"><input type="checkbox" checked=${where.includes(one.id)}
      onChange=${(event) => onChange(event.target.checked ? [...where, one.id] : where.filter((id) => id !== one.id))} /> ${one.name}</label>`,
      )
    }</fieldset>`;
}

function Account({ account, all, isNew, onDone, onCancel }) {
  const [held, setHeld] = useState(account.rights);
  const [where, setWhere] = useState(account.cameras);
  const [refusal, setRefusal] = useState(null);
  const [typed, setTyped] = useState("");
  const send = async (work) => {
    setRefusal(null);
    try {
      await work();
      onDone();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error);
    }
  };
  const save = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const password = form.get("password");
    const name = isNew ? String(form.get("name")).trim() : account.name;
    send(() =>
      call("PUT", `/api/accounts/${seg(name)}`, { rights: held, cameras: where, ...(password ? { password } : {}) }),
    );
  };
  return html`<form class="account" onSubmit=${save} data-test="account-form"
    aria-label=${isNew ? "New account" : account.name}>
    <h2>${isNew ? "New account" : account.name}</h2>
    ${refusal && html`<p class="refusal" role="alert" data-test="refusal"><b>Refused.</b> ${refusal.message}</p>`}
    ${
      isNew &&
      html`<label class="field">Name <input name="name" required maxlength="64" autocomplete="off"
      autocapitalize="none" spellcheck=${false} /></label>`
    }
    <label
      class="field">${isNew ? "Password" : "New password"} <small>${isNew ? "at least 10 characters" : "empty leaves it; a new one signs them out everywhere"}</small>
      <input name="password" type="password" required=${isNew} autocomplete="new-password" /></label>
    <div class="two"><${Rights} held=${held} all=${all} onChange=${setHeld} /><${Where} where=${where}
      onChange=${setWhere} /></div>
    <div class="buttons"><button type="button" class="quiet" onClick=${onCancel}>Cancel</button><button class="primary"
      data-test="save">Save</button></div>
    ${
      !isNew &&
      html`<details><summary data-test="remove">Remove this account…</summary>
      <label class="field">Type <b>${account.name}</b> to remove it; what it did stays in the audit log <input
        value=${typed} onInput=${(event) => setTyped(event.target.value)} data-test="typed"
        autocomplete="off" /></label>
      <button type="button" class="danger" disabled=${typed !== account.name} data-test="remove-go"
        onClick=${() => send(() => call("DELETE", `/api/accounts/${seg(account.name)}`))}>Remove</button></details>`
    }
  </form>`;
}

export function Accounts() {
  const who = use(me);
  const list = use(cameras);
  const [answer, setAnswer] = useState(null);
  const [open, setOpen] = useState(null); // a name, or "" for a new one
  const load = () =>
    get("/api/accounts").then(setAnswer, (error) => {
      if (!(error instanceof Refused)) throw error;
    });
  useEffect(() => {
    load();
  }, []);
  if (!answer) return html`<p class="boot">…</p>`;
  const done = () => {
    setOpen(null);
    load();
  };
  const chosen = answer.accounts.find((one) => one.name === open);
  const named = (ids) =>
    ids === null
      ? "every camera"
      : ids.map((id) => list.find((one) => one.id === id)?.name ?? id).join(", ") || "no camera";
  return html`<section class="page" aria-label="Accounts"><h1>Accounts</h1>
    <div class="scroll"><table class="list"><thead><tr><th>Name</th><th>Rights</th><th>On</th></tr></thead>
      <tbody>${answer.accounts.map(
        (one) => html`<tr key=${one.name} data-test="account"><td><button class="link"
          onClick=${() => setOpen(one.name)}>${one.name}</button>${one.name === who.name ? " (you)" : ""}</td>
        <td>${one.rights.join(", ") || "none: locked"}</td><td>${named(one.cameras)}</td></tr>`,
      )}</tbody></table></div>
    ${
      open === null &&
      html`<div class="buttons"><button class="primary" data-test="new-account"
      onClick=${() => setOpen("")}>New account</button></div>`
    }
    ${
      open === "" &&
      html`<${Account} key="" isNew account=${{ name: "", rights: ["viewer"], cameras: null }}
      all=${answer.rights} onDone=${done} onCancel=${() => setOpen(null)} />`
    }
    ${
      chosen &&
      html`<${Account} key=${chosen.name} account=${chosen} all=${answer.rights} onDone=${done}
      onCancel=${() => setOpen(null)} />`
    }
    <p><small>Seeing originals needs a right of its own and a passphrase; running the box is not a reason to see
      faces.</small></p></section>`;
}

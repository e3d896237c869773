// Reveal: asked for with a reason and a passphrase, granted for minutes, always visible, ended by one key.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { attempt, call, get, now_us, post, Refused, seg } from "./api.js";
import { canOpen, Opener, openerOf } from "./opened.js";
import { cameraName, reveal, revealWays, settle, tell, use } from "./store.js";
import { countdown, iso, us } from "./times.js";

const REASONS = ["Incident report", "Request by the person shown", "Request by the police", "Theft or damage", "Accident"];
const POLL_MS = 2000;

const ended = new Set(); // an answer that was on its way when a reveal was ended must not bring it back

const read = (answer, more = {}) => ({ ...answer, expires_us: us(answer.expires), started_us: us(answer.started), ...more });

// What the box says is on, so that the lock in the bar is never wrong: not after a reload, a time-out or an end elsewhere.
export function followReveals() {
  let stopped = false;
  const look = async () => {
    const asked_us = now_us() - 1e6;
    try {
      const { reveals, ...ways } = await get("/api/reveals");
      if (stopped) return;
      revealWays.set(ways);
      const before = reveal.get();
      // What another window opens, this one cannot show.
      const on = reveals.filter((one) => !ended.has(one.id) && (!one.in_browser || openerOf(one.id)));
      const now = on.find((one) => one.id === before?.id) ?? on[0];
      if (!now) { if (before && us(before.started) < asked_us) over("The box ended it, or its time is up."); }
      else {
        reveal.set(read(now, { from_us: before?.id === now.id ? before.from_us : us(now.from) }));
        await report(openerOf(now.id));
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  };
  look();
  const timer = setInterval(look, POLL_MS);
  const leave = () => {
    const on = reveal.get();
    if (on) call("DELETE", `/api/reveals/${seg(on.id)}`, undefined, { keepalive: true }).catch(() => {});
  };
  window.addEventListener("pagehide", leave);
  return () => { stopped = true; clearInterval(timer); window.removeEventListener("pagehide", leave); };
}

// The box writes into the log what the page's own reader found.
async function report(opener) {
  if (!opener?.verdicts || opener.verdicts === opener.reported) return;
  opener.reported = opener.verdicts;
  await post(`/api/reveals/${seg(opener.id)}/verdicts`, opener.verdicts);
}

function forget(id) {
  ended.add(id);
  openerOf(id)?.close();
  reveal.set(null);
}

function over(why) {
  forget(reveal.get()?.id);
  tell("The reveal has ended.", { works: "The picture is masked again.", todo: why, kind: "note", key: "reveal" });
}

export async function endReveal() {
  const on = reveal.get();
  if (!on) return;
  const opener = openerOf(on.id);
  forget(on.id); // the picture and the keys go at once, whatever the network does
  await report(opener).catch((error) => { if (!(error instanceof Refused)) throw error; });
  await attempt(() => call("DELETE", `/api/reveals/${seg(on.id)}`), { todo: "It ends by itself when its time is up.", key: "reveal" });
}

export function Lock() {
  const on = use(reveal);
  const [, beat] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => {
      const now = reveal.get();
      if (now && now.expires_us <= now_us()) over("The time is up.");
      beat((n) => n + 1);
    }, 250);
    const press = (event) => { if (event.key === "Escape" && reveal.get() && !document.querySelector("dialog[open]")) endReveal(); };
    window.addEventListener("keydown", press);
    return () => { clearInterval(timer); window.removeEventListener("keydown", press); };
  }, []);
  if (!on) {
    return html`<span class="lock closed" data-test="lock" data-open="no" title="Every picture on this page is masked">
      <${Padlock} /> <span class="words">masked</span></span>`;
  }
  const left = (on.expires_us - now_us()) / 1e6;
  return html`<button class="lock open" data-test="lock" data-open="yes" onClick=${endReveal}
      aria-label=${`Revealing ${cameraName(on.camera)}. End it now`} title=${`${on.reason} – click or Esc ends it`}>
    <${Padlock} open /> <b>${countdown(left)}</b> <span class="words">${cameraName(on.camera)} revealed</span> <span class="end">End</span></button>`;
}

function Padlock({ open = false }) {
  return html`<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><rect x="2.500" y="7" width="11" height="8" rx="1.500" fill="currentColor" />
    <path d=${open ? "M5 7V4.500a3 3 0 0 1 5.800-1" : "M5 7V4.500a3 3 0 0 1 6 0V7"} fill="none" stroke="currentColor" stroke-width="1.800" stroke-linecap="round" /></svg>`;
}

// Granted by the box, opened in this page. Of what is typed here nothing goes into a request.
async function openHere(asked, passphrases, chosen) {
  const file = chosen?.size ? await keyFile(chosen) : null;
  const { keys, ...answer } = await post("/api/reveals", { ...asked, in_browser: true });
  const opener = new Opener(answer, keys);
  try {
    await opener.unlock(passphrases, file);
  } catch (error) {
    opener.close();
    ended.add(answer.id);
    call("DELETE", `/api/reveals/${seg(answer.id)}?why=passphrase`).catch(() => {}); // it ends by itself as well
    throw new Refused(403, `${error.message[0].toUpperCase()}${error.message.slice(1)}.`, "passphrase");
  }
  return answer;
}

async function keyFile(chosen) {
  try {
    return JSON.parse(await chosen.text());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refused(400, `${chosen.name} is no key file.`, "keyfile");
  }
}

export function RevealDialog({ camera, from_us, frozen, onClose }) {
  const dialog = useRef();
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const [person, setPerson] = useState(null);
  const picks = frozen?.picks?.filter((pick) => pick.class === "person") ?? [];
  useEffect(() => { dialog.current.showModal(); }, []);
  const ways = use(revealWays);
  const [able, setAble] = useState(null);
  const [onBox, setOnBox] = useState(false);
  useEffect(() => { canOpen().then(setAble); }, []);
  const here = Boolean(ways.in_browser && able && !onBox);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setBusy(true);
    setRefusal(null);
    const passphrases = [form.get("passphrase"), form.get("second_passphrase")].filter(Boolean);
    const asked = { camera, reason: form.get("reason"), case: form.get("case") || "", from: iso(frozen?.at_us ?? from_us),
      ...(person ? { point: [(person.box[0] + person.box[2]) / 2, (person.box[1] + person.box[3]) / 2] } : {}) };
    try {
      const answer = here ? await openHere(asked, passphrases, form.get("keyfile"))
        : await post("/api/reveals", { ...asked, passphrase: passphrases[0], second_passphrase: passphrases[1] ?? "" });
      settle("reveal");
      reveal.set(read(answer, { from_us: frozen?.at_us ?? from_us }));
      onClose();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error);
    } finally {
      for (const field of event.target.querySelectorAll("[type=password]")) field.value = "";
      setBusy(false);
    }
  };
  return html`<dialog ref=${dialog} class="reveal-dialog" aria-labelledby="reveal-title" onClose=${onClose} onClick=${(event) => event.stopPropagation()}>
    <form onSubmit=${submit}>
      <h2 id="reveal-title">Reveal ${cameraName(camera)}</h2>
      <p>The original picture is shown with your name on it, for a few minutes. Your reason, the time and what you saw go into the audit log; so does a refusal.</p>
      ${refusal && html`<p class="refusal" role="alert" data-test="refusal"><b>Refused.</b> ${refusal.message}</p>`}
      ${picks.length > 0 && html`<fieldset><legend>Show</legend>
        <label><input type="radio" name="whom" checked=${!person} onChange=${() => setPerson(null)} /> the whole picture</label>
        ${picks.map((pick, at) => html`<label><input type="radio" name="whom" checked=${person === pick} onChange=${() => setPerson(pick)} /> only person ${at + 1}, bystanders stay masked</label>`)}</fieldset>`}
      <label class="field">Reason <small>required, at least 8 characters</small>
        <input name="reason" list="reasons" required minlength="8" maxlength="300" autocomplete="off" autofocus aria-invalid=${refusal?.field === "reason"} /></label>
      <datalist id="reasons">${REASONS.map((reason) => html`<option value=${reason} />`)}</datalist>
      <label class="field">Case number <small>if there is one</small><input name="case" maxlength="60" autocomplete="off" /></label>
      <label class="field">Passphrase of the reveal key
        <input name="passphrase" type="password" required autocomplete="off" aria-invalid=${refusal?.field === "passphrase"} /></label>
      ${ways.dual_control && html`<label class="field">Passphrase of the second operator <small>two open together here</small>
        <input name="second_passphrase" type="password" required autocomplete="off" /></label>`}
      ${able && ways.in_browser && html`<details class="ways"><summary data-test="where">${here ? "Opened in this browser: passphrase and key do not leave it" : "Opened on the box"}</summary>
        <label><input type="checkbox" checked=${onBox} data-test="on-box" onChange=${(event) => setOnBox(event.target.checked)} /> let the box open it</label>
        ${here && html`<label class="field">Key file of my own <small>if the box does not keep it</small><input name="keyfile" type="file" accept=".json,application/json" /></label>`}</details>`}
      <div class="buttons"><button type="button" class="quiet" onClick=${() => dialog.current.close()}>Cancel <kbd>Esc</kbd></button>
        <button class="danger" disabled=${busy} data-test="reveal-go">${busy ? "unlocking…" : "Reveal"}</button></div>
    </form></dialog>`;
}

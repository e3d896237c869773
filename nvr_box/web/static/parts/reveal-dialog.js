// The form of a reveal: reason, whom, passphrase; where the box wants a second person, first their approval.
import { html, useEffect, useRef, useState } from "./html.js";
import { call, post, Refused, seg } from "./api.js";
import { canOpen, Opener } from "./reveal-worker.js";
import { ended, lookAgain, read } from "./reveal.js";
import { cameraName, reveal, revealWays, settle, use } from "./store.js";
import { clock, iso, us } from "./times.js";

const MINUTES = [1, 5, 15, 60];
const REASONS = [
  "Incident report",
  "Request by the person shown",
  "Request by the police",
  "Theft or damage",
  "Accident",
];

// Granted by the box, opened in this page. Of what is typed here nothing goes into a request.
async function openHere(asked, passphrases, chosen) {
  const file = chosen?.size ? await keyFile(chosen) : null;
  const { keys, ...answer } = await post("/api/reveals", { ...asked, in_browser: true });
  const opener = new Opener(answer, keys);
  let proof;
  try {
    proof = await opener.unlock(passphrases, file);
  } catch (error) {
    opener.close();
    ended.add(answer.id);
    call("DELETE", `/api/reveals/${seg(answer.id)}?why=passphrase`).catch(() => {}); // it ends by itself as well
    throw new Refused(403, `${error.message[0].toUpperCase()}${error.message.slice(1)}.`, "passphrase");
  }
  try {
    const granted = await post(`/api/reveals/${seg(answer.id)}/opened`, { proof });
    opener.granted();
    return granted;
  } catch (error) {
    opener.close();
    throw error;
  }
}

async function keyFile(chosen) {
  try {
    return JSON.parse(await chosen.text());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refused(400, `${chosen.name} is no key file.`, "keyfile");
  }
}

// Where a wish for this camera stands: none yet, or what the approvers made of it.
function Standing({ wish, onBack }) {
  if (wish.state === "refused") {
    return html`<p class="refusal" role="alert" data-test="standing"
      data-state="refused"><b>${wish.approver} refused.</b> ${wish.why}</p>`;
  }
  const until = clock(us(wish.expires));
  return html`<p class="verdict ${wish.state === "approved" ? "good" : ""}" role="status" data-test="standing"
    data-state=${wish.state}>
    ${
      wish.state === "approved"
        ? html`<b>${wish.approver} agrees</b>, until ${until}${wish.why ? `: ${wish.why}` : "."}`
        : html`<b>Waiting for a second person</b> with the right to approve, until ${until}. You may close this and come
          back.`
    }
    <br /><small>${wish.reason}, ${wish.whole_picture ? "the whole picture" : "one person only"}, ${clock(us(wish.from))} to ${clock(us(wish.until))}.</small>
    <button type="button" class="link" onClick=${onBack}>Take back</button></p>`;
}

function Whom({ picks, person, onPerson }) {
  if (!picks.length) return null;
  return html`<fieldset><legend>Show</legend>
    <label><input type="radio" name="whom" checked=${!person} onChange=${() => onPerson(null)} /> the whole
      picture</label>
    ${picks.map(
      (pick, at) => html`<label><input type="radio" name="whom" checked=${person === pick}
      onChange=${() => onPerson(pick)} /> only person ${at + 1}, bystanders stay masked</label>`,
    )}</fieldset>`;
}

// A second person agrees to a stretch of time, and the box shows nothing before or behind it.
function HowLong() {
  return html`<label class="field">How much of the recording <select name="minutes" data-test="minutes">
    ${MINUTES.map(
      (minutes) => html`<option value=${minutes}
      selected=${minutes === 5}>${minutes === 1 ? "1 minute" : `${minutes} minutes`}</option>`,
    )}</select></label>`;
}

function Why({ refusal }) {
  return html`<label class="field">Reason <small>required, at least 8 characters</small>
      <input name="reason" list="reasons" required minlength="8" maxlength="300" autocomplete="off" autofocus
        aria-invalid=${refusal?.field === "reason"} /></label>
    <datalist id="reasons">${REASONS.map((reason) => html`<option value=${reason} />`)}</datalist>
    <label class="field">Case number <small>if there is one</small><input name="case" maxlength="60"
      autocomplete="off" /></label>`;
}

function Keys({ ways, able, person, here, onBox, setOnBox, refusal }) {
  return html`<label class="field">Passphrase of the reveal key
      <input name="passphrase" type="password" required autocomplete="off"
        aria-invalid=${refusal?.field === "passphrase"} /></label>
    ${
      ways.dual_control &&
      html`<label class="field">Passphrase of the second operator <small>two open together here</small>
      <input name="second_passphrase" type="password" required autocomplete="off" /></label>`
    }
    ${
      able &&
      ways.in_browser &&
      !person &&
      html`<details class="ways"><summary
        data-test="where">${here ? "Opened in this browser: passphrase and key do not leave it" : "Opened on the box"}</summary>
      <label><input type="checkbox" checked=${onBox} data-test="on-box"
        onChange=${(event) => setOnBox(event.target.checked)} /> let the box open it</label>
      ${
        here &&
        html`<label class="field">Key file of my own <small>if the box does not keep it</small><input
        name="keyfile" type="file" accept=".json,application/json" /></label>`
      }</details>`
    }`;
}

export function RevealDialog({ camera, from_us, frozen, onClose }) {
  const dialog = useRef();
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const [person, setPerson] = useState(null);
  const [able, setAble] = useState(null);
  const [onBox, setOnBox] = useState(false);
  const ways = use(revealWays);
  const picks = frozen?.picks?.filter((pick) => pick.class === "person") ?? [];
  useEffect(() => {
    dialog.current.showModal();
    canOpen().then(setAble);
  }, []);
  // One person, or what a second person agreed to, only the box can hold a reveal to.
  const here = Boolean(ways.in_browser && able && !onBox && !person);
  const wish = ways.second_person ? ways.requests.filter((one) => one.camera === camera).at(-1) : null;
  const stage = !ways.second_person
    ? "both"
    : wish?.state === "approved"
      ? "keys"
      : wish?.state === "waiting"
        ? "wait"
        : "ask";
  const takeBack = async () => {
    await call("DELETE", `/api/reveals/requests/${seg(wish.id)}`);
    await lookAgain();
  };
  const open = async (asked, form) => {
    const passphrases = [form.get("passphrase"), form.get("second_passphrase")].filter(Boolean);
    const answer = here
      ? await openHere(asked, passphrases, form.get("keyfile"))
      : await post("/api/reveals", { ...asked, passphrase: passphrases[0], second_passphrase: passphrases[1] ?? "" });
    settle("reveal");
    reveal.set(read(answer, { from_us: us(answer.from) }));
    onClose();
  };
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setBusy(true);
    setRefusal(null);
    const start_us = frozen?.at_us ?? from_us;
    const asked = {
      camera,
      reason: form.get("reason") ?? wish.reason,
      case: form.get("case") || "",
      from: iso(start_us),
      ...(stage === "ask" ? { until: iso(start_us + Number(form.get("minutes")) * 60e6) } : {}),
      ...(person ? { point: [(person.box[0] + person.box[2]) / 2, (person.box[1] + person.box[3]) / 2] } : {}),
    };
    try {
      if (stage === "ask") {
        if (wish) await call("DELETE", `/api/reveals/requests/${seg(wish.id)}`);
        await post("/api/reveals/requests", asked);
        await lookAgain();
      } else await open({ ...asked, approval: wish?.id ?? "" }, form);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error);
    } finally {
      for (const field of event.target.querySelectorAll("[type=password]")) field.value = "";
      setBusy(false);
    }
  };
  return html`<dialog ref=${dialog} class="reveal-dialog" aria-labelledby="reveal-title" onClose=${onClose}
    onClick=${(event) => event.stopPropagation()}>
    <form onSubmit=${submit}>
      <h2 id="reveal-title">Reveal ${cameraName(camera)}</h2>
      <p>The original picture is shown with your name on it, for a few minutes. Your reason, the time and what you saw
        go into the audit log; so does a refusal.
        ${stage === "ask" && " On this box somebody else has to agree first."}</p>
      ${refusal && html`<p class="refusal" role="alert" data-test="refusal"><b>Refused.</b> ${refusal.message}</p>`}
      ${wish && html`<${Standing} wish=${wish} onBack=${takeBack} />`}
      ${
        (stage === "both" || stage === "ask") &&
        html`<${Whom} picks=${picks} person=${person}
        onPerson=${setPerson} /><${Why} refusal=${refusal} />`
      }
      ${stage === "ask" && html`<${HowLong} />`}
      ${
        (stage === "both" || stage === "keys") &&
        html`<${Keys}
        ...${{ ways, able, person, here, onBox, setOnBox, refusal }} />`
      }
      <div class="buttons"><button type="button" class="quiet"
        onClick=${() => dialog.current.close()}>${stage === "wait" ? "Close" : "Cancel"} <kbd>Esc</kbd></button>
        ${
          stage !== "wait" &&
          html`<button class="danger" disabled=${busy}
          data-test="reveal-go">${stage === "ask" ? "Ask for approval" : busy ? "unlocking…" : "Reveal"}</button>`
        }</div>
    </form></dialog>`;
}

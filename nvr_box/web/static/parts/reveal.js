// Reveal: asked for with a reason and a passphrase, granted for minutes, always visible, ended by one key.
import { html, useEffect, useState } from "./html.js";
import { attempt, call, get, now_us, post, Refused, seg } from "./api.js";
import { openerOf } from "./reveal-worker.js";
import { lockWords, onScreen, past, unmasked } from "./masking.js";
import { cameraName, cameras, reveal, revealWays, tell, use } from "./store.js";
import { countdown, us } from "./times.js";

const POLL_MS = 2000;

export const ended = new Set(); // an answer that was on its way when a reveal was ended must not bring it back

export const read = (answer, more = {}) => ({
  ...answer,
  expires_us: us(answer.expires),
  started_us: us(answer.started),
  ...more,
});

let following = false;

// What the box says is on, and who asks whom for approval: the lock in the bar is never wrong, not after a reload, a
// time-out or an end elsewhere.
export async function lookAgain() {
  const asked_us = now_us() - 1e6;
  try {
    const { reveals, ...ways } = await get("/api/reveals");
    if (!following) return;
    revealWays.set(ways);
    const before = reveal.get();
    // What another window opens, this one cannot show.
    const on = reveals.filter((one) => !ended.has(one.id) && (!one.in_browser || openerOf(one.id)));
    const now = on.find((one) => one.id === before?.id) ?? on[0];
    if (!now) {
      if (before && us(before.started) < asked_us) over("The box ended it, or its time is up.");
    } else {
      reveal.set(read(now, { from_us: before?.id === now.id ? before.from_us : us(now.from) }));
      await report(openerOf(now.id));
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

export function followReveals() {
  following = true;
  lookAgain();
  const timer = setInterval(lookAgain, POLL_MS);
  const leave = () => {
    const on = reveal.get();
    if (on) call("DELETE", `/api/reveals/${seg(on.id)}`, undefined, { keepalive: true }).catch(() => {});
  };
  window.addEventListener("pagehide", leave);
  return () => {
    following = false;
    clearInterval(timer);
    window.removeEventListener("pagehide", leave);
  };
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
  await report(opener).catch((error) => {
    if (!(error instanceof Refused)) throw error;
  });
  await attempt(() => call("DELETE", `/api/reveals/${seg(on.id)}`), {
    todo: "It ends by itself when its time is up.",
    key: "reveal",
  });
}

// Three states, out of the pictures that are on the page: all masked; some not, with the names; revealed.
export function Lock() {
  const on = use(reveal);
  const pictures = use(onScreen);
  const list = use(cameras);
  use(past);
  const open = unmasked(pictures, list);
  const names = open.map((one) => `${one.name}: ${one.tag}${one.why ? ` (${one.why})` : ""}`).join("; ");
  const [, beat] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => {
      const now = reveal.get();
      if (now && now.expires_us <= now_us()) over("The time is up.");
      beat((n) => n + 1);
    }, 250);
    const press = (event) => {
      if (event.key === "Escape" && reveal.get() && !document.querySelector("dialog[open]")) endReveal();
    };
    window.addEventListener("keydown", press);
    return () => {
      clearInterval(timer);
      window.removeEventListener("keydown", press);
    };
  }, []);
  if (!on && open.length) {
    const short = lockWords(open, pictures, list);
    const [count] = short.split(" ");
    return html`<details class="lock-more"><summary class="lock part" data-test="lock" data-open="no" data-state="part"
      title=${names} aria-label=${`${short}. ${names}`}>
      <${Padlock} open /> <b>${count}</b> <span class="words">${short.slice(count.length)}</span></summary>
      <ul class="menu"
        data-test="lock-names">${open.map((one) => html`<li><b>${one.name}</b> ${one.tag}<br /><small>${one.why}</small></li>`)}</ul></details>`;
  }
  if (!on) {
    return html`<span class="lock closed" data-test="lock" data-open="no" data-state="masked"
      title=${pictures.size ? "Every picture on this page is masked" : "No picture of a camera is on this page"}>
      <${Padlock} /> <span class="words">${pictures.size ? "all masked" : "no picture"}</span></span>`;
  }
  const left = (on.expires_us - now_us()) / 1e6;
  return html`<button class="lock open" data-test="lock" data-open="yes" data-state="revealed" onClick=${endReveal}
      aria-label=${`Revealing ${cameraName(on.camera)}. End it now`}
        title=${`${on.reason} – click or Esc ends it${names ? `. Also on this page: ${names}` : ""}`}>
    <${Padlock} open /> <b>${countdown(left)}</b> <span class="words">${cameraName(on.camera)} revealed</span> <span
      class="end">End</span></button>`;
}

function Padlock({ open = false }) {
  return html`<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><rect x="2.500" y="7" width="11"
    height="8" rx="1.500" fill="currentColor" />
    <path d=${open ? "M5 7V4.500a3 3 0 0 1 5.800-1" : "M5 7V4.500a3 3 0 0 1 6 0V7"} fill="none" stroke="currentColor"
      stroke-width="1.800" stroke-linecap="round" /></svg>`;
}

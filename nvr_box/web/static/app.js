// The frame: bar, places, notices, help. Everything else is one file per place.
import { html, render, useEffect, useRef, useState } from "./parts/html.js";
import { askWhoIsThere, attempt, now_us, post, signOut } from "./parts/api.js";
import { Accounts } from "./places/accounts.js";
import { Approve } from "./places/approve.js";
import { Audit } from "./places/audit.js";
import { Cameras } from "./places/cameras.js";
import { Keys } from "./places/keys.js";
import { Live } from "./places/live.js";
import { followCameras, refreshCameras } from "./parts/camera-polling.js";
import { endReveal, followReveals, Lock } from "./parts/reveal.js";
import { go, route } from "./parts/route.js";
import { Search } from "./places/search.js";
import { Claim, SignIn } from "./places/signin.js";
import { boxNotices, cameras, may, me, notices, revealWays, tell, theme, use } from "./parts/store.js";
import { clock, full, zone } from "./parts/times.js";
import { CameraView, RecordingView } from "./places/camera-view.js";
import { viewKeys } from "./player/shortcuts.js";

const PLACES = [
  { name: "live", title: "Live", show: Live, open: () => true },
  { name: "search", title: "Search", show: Search, open: () => may("operator") },
  { name: "cameras", title: "Cameras", show: Cameras, open: () => true },
  {
    name: "approve",
    title: "Approve",
    key: "p",
    show: Approve,
    open: () => may("approve") && revealWays.get().second_person,
    count: () => revealWays.get().to_answer.length,
  },
  { name: "accounts", title: "Accounts", key: "u", show: Accounts, open: () => may("admin") },
  { name: "keys", title: "Keys", show: Keys, open: () => may("admin") },
  { name: "audit", title: "Audit", show: Audit, open: () => may("admin") || may("approve") },
];

function Clock() {
  const [at, setAt] = useState(now_us());
  useEffect(() => {
    const timer = setInterval(() => setAt(now_us()), 500);
    return () => clearInterval(timer);
  }, []);
  return html`<time class="clock">${clock(at)} <small>${zone(at)}</small></time>`;
}

function Bar({ place }) {
  const who = use(me);
  const look = use(theme);
  use(revealWays); // an approver is told whenever somebody asks
  const dark = look === "dark";
  return html`<header class="bar">
    <a class="name" href="#live"><img src="/static/mark.svg" alt="" width="22" height="22" /><span>${who.box}</span></a>
    <nav aria-label="Places">${PLACES.filter((one) => one.open()).map(
      (one) => html`<a href=${`#${one.name}`}
      aria-current=${place === one.name || (place === "watch" && one.name === "live") ? "page" : undefined}>${one.title}${
        one.count?.()
          ? html` <b
        class="badge" data-test="count">${one.count()}</b>`
          : ""
      }</a>`,
    )}</nav>
    <span class="push"></span>
    <${Lock} />
    <${Clock} />
    <details class="who"><summary aria-label=${`Signed in as ${who.name}`}>${who.name}</summary>
      <div class="menu"><p>You hold: ${who.rights.join(", ") || "no right"}</p>
        <button class="quiet"
          onClick=${() => theme.set(dark ? "light" : "dark")}>${dark ? "Light" : "Dark"} page</button>
        <button class="quiet" onClick=${() => help()}>Keys <kbd>?</kbd></button>
        <button class="quiet" onClick=${async () => {
          await endReveal();
          signOut();
        }}>Sign out</button></div></details>
  </header>`;
}

// A jump of the clock: who runs the box may say that the new time is right. Asked twice, for what is old then goes.
function AgreeClock() {
  const [sure, setSure] = useState(false);
  const agree = async () => {
    const done = await attempt(() => post("/api/clock"), {
      works: "Nothing is removed by its age meanwhile.",
      todo: "Try again in a moment.",
      key: "clock",
    });
    if (done !== undefined) {
      tell("The time is taken for right.", {
        works: "What is older than it may be kept goes from now on.",
        kind: "note",
        key: "clock",
      });
      refreshCameras();
    }
    setSure(false);
  };
  if (!sure) return html` <button data-test="clock-right" onClick=${() => setSure(true)}>The time is right…</button>`;
  return html` <span data-test="clock-ask">Is it ${full(now_us())} now? What is older than recordings may be kept is
    then removed. <button data-test="clock-sure" onClick=${agree}>Yes, it is</button> <button autofocus
    onClick=${() => setSure(false)}>No</button></span>`;
}

// What the box says of itself stays while it says so, on every place.
function BoxNotices() {
  const list = use(boxNotices);
  return list.length
    ? html`<div class="box-notices" role="alert">${list.map(
        (one) => html`<p key=${one.kind} data-test="box-notice" data-kind=${one.kind}>${one.text}
    ${one.kind === "clock" && may("admin") && html`<${AgreeClock} />`}</p>`,
      )}</div>`
    : null;
}

function Notices() {
  const list = use(notices);
  return html`<div class="notices" aria-live="assertive">${list.map(
    (one) => html`<div class=${`notice ${one.kind}`} role=${one.kind === "error" ? "alert" : "status"} key=${one.id}
      data-test="notice">
    <p><b>${one.what}</b> ${one.works} ${one.todo}</p>
    <button class="quiet" aria-label="Read, close"
      onClick=${() => notices.set((rest) => rest.filter((other) => other.id !== one.id))}>✕</button></div>`,
  )}</div>`;
}

const help = () => /** @type {HTMLDialogElement} */ (document.getElementById("help")).showModal();

function Help() {
  return html`<dialog id="help" aria-labelledby="help-title"><h2 id="help-title">Keys</h2>
    <dl class="keys">${[
      ["1 – 9", "open a camera of the grid"],
      ...viewKeys,
      ["Esc", "close; ends a reveal"],
      ["Alt L S C P U K A", "Live, Search, Cameras, Approve, Accounts, Keys, Audit"],
      ["?", "this list"],
    ].map(
      ([key, what]) => html`<dt>${key.split(" ").map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${what}</dd>`,
    )}</dl>
    <div class="buttons"><button autofocus
      onClick=${(event) => event.target.closest("dialog").close()}>Close</button></div></dialog>`;
}

function App() {
  const who = use(me);
  const where = use(route);
  const list = use(cameras);
  const main = useRef();
  useEffect(() => {
    askWhoIsThere();
  }, []);
  useEffect(() => {
    if (!who || who.claim) return undefined;
    const ends = [followCameras(), followReveals()];
    return () => {
      for (const end of ends) end();
    };
  }, [who?.name, who?.claim]);
  useEffect(() => {
    const press = (event) => {
      if (event.altKey && !event.ctrlKey) {
        const place = PLACES.find(
          (one) => (one.key ?? one.title[0].toLowerCase()) === event.key.toLowerCase() && one.open(),
        );
        if (place) {
          event.preventDefault();
          go(place.name);
        }
      } else if (event.key === "?" && !event.target.closest("input, textarea, select")) help();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
  if (who === undefined) return html`<p class="boot">Veilcam is starting…</p><${Notices} />`;
  if (who === null) return html`<${SignIn} /><${Notices} />`;
  if (who.claim) return html`<${Claim} name=${who.name} /><${Notices} />`;
  const place = PLACES.find((one) => one.name === where.place && one.open());
  const camera = where.place === "watch" ? list.find((one) => String(one.id) === where.rest[0]) : null;
  document.title = camera ? `${camera.name} – ${who.box}` : `${place?.title ?? "Live"} – ${who.box}`;
  return html`<a class="skip" href="#main" onClick=${(event) => {
    event.preventDefault();
    main.current.focus();
  }}>To the content</a>
    <${Bar} place=${where.place} /><${BoxNotices} /><${Notices} />
    <main ref=${main} id="main" tabindex="-1" class=${`place-${where.place}`}>
      ${
        where.place === "watch"
          ? camera
            ? camera.by_client
              ? html`<${RecordingView} key=${camera.id} camera=${camera} />`
              : html`<${CameraView} key=${camera.id} camera=${camera.id} />`
            : html`<p class="boot">${list.length ? "There is no such camera." : "…"}</p>`
          : html`<${place?.show ?? Live} />`
      }</main><${Help} />`;
}

render(html`<${App} />`, document.getElementById("app"));

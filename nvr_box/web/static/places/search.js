// Search: what is looked for and its filters on the left, the video and the results on the right.
import { html, useEffect, useRef, useState } from "../parts/html.js";
import { attempt, now_us, post } from "../parts/api.js";
import { ASKABLE, phrase } from "../parts/attributes.js";
import { masking, useOnScreen } from "../parts/masking.js";
import { Results } from "./results.js";
import { cameraName, cameras, opened, query, results, shared, use } from "../parts/store.js";
import { CLASSES } from "../player/timeline.js";
import { TimeField } from "../parts/time-field.js";
import { clock, day, iso } from "../parts/times.js";
import { CameraView } from "./camera-view.js";

export const COLOURS = [
  "black",
  "white",
  "grey",
  "red",
  "orange",
  "yellow",
  "green",
  "blue",
  "purple",
  "pink",
  "brown",
];
const PARTS = { person: ["upper", "lower", "shoes"], vehicle: ["body"] };
const WHENS = { all: "any time", hour: "last hour", today: "today", range: "from – to" };

const filters = shared({
  threshold: 0.5,
  when: "all",
  start_us: null,
  end_us: null,
  cameras: [],
  classes: [],
  colours: [],
  attributes: [],
});

function asked({ threshold, when, start_us, end_us, cameras: chosen, classes, colours, attributes }) {
  const now = now_us();
  const midnight = new Date(now / 1000).setHours(0, 0, 0, 0) * 1000;
  const start = { hour: now - 3600e6, today: midnight, range: start_us }[when] ?? null;
  const end = when === "range" ? end_us : null;
  return {
    threshold,
    cameras: chosen,
    classes,
    colours,
    attributes,
    start: start && iso(start),
    end: end && iso(end),
    limit: 120,
  };
}

function Threshold({ value, left, onInput }) {
  return html`<fieldset><legend>How alike</legend>
    <div class="slider"><input type="range" min="0" max="0.99" step="0.01" value=${value} aria-label="Least similarity"
      data-test="threshold"
      aria-valuetext=${`${Math.round(value * 100)} percent${left === null ? "" : `, ${left} results`}`}
        onInput=${(event) => onInput(Number(event.target.value))} />
      <output>${Math.round(value * 100)} %</output></div>
    <p class="count" data-test="count"
      aria-live="polite">${
        left === null
          ? " "
          : html`<b>${left}</b> ${left === 1 ? "result" : "results"} at this
      threshold`
      }</p>
  </fieldset>`;
}

// How the compared passages spread over similarity; what the slider leaves is bright.
function Spread({ histogram, threshold }) {
  const canvas = useRef();
  useEffect(() => {
    const g = canvas.current.getContext("2d");
    const { width, height } = canvas.current;
    const style = getComputedStyle(document.documentElement);
    const most = Math.max(1, ...histogram);
    g.clearRect(0, 0, width, height);
    histogram.forEach((count, at) => {
      const tall = count ? Math.max(2, (Math.log1p(count) / Math.log1p(most)) * height) : 0;
      g.fillStyle = style.getPropertyValue(at >= Math.round(threshold * 100) ? "--accent" : "--line");
      g.fillRect((at * width) / 100, height - tall, width / 100 - 1, tall);
    });
  });
  return html`<canvas ref=${canvas} class="spread" width="500" height="56" role="img"
    aria-label="How many passages have which similarity"></canvas>`;
}

const toggled = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);

function Filters({ what, value, onChange }) {
  const list = use(cameras);
  const parts = what?.class && what.class !== "person" ? PARTS.vehicle : PARTS.person;
  const [part, setPart] = useState(parts[0]);
  const has = (colour) => value.colours.some((one) => one.part === colour.part && one.name === colour.name);
  const flip = (colour) =>
    onChange({
      colours: has(colour)
        ? value.colours.filter((one) => one.part !== colour.part || one.name !== colour.name)
        : [...value.colours, { part: colour.part, name: colour.name }],
    });
  const worn = (one) => value.attributes.some((other) => other.name === one.name && other.word === one.word);
  const wear = (one) =>
    onChange({
      attributes: worn(one)
        ? value.attributes.filter((other) => other.name !== one.name || other.word !== one.word)
        : [...value.attributes.filter((other) => other.name !== one.name), { name: one.name, word: one.word }],
    });
  const askable = ASKABLE[what?.class && what.class !== "person" ? "vehicle" : "person"].concat(
    what ? [] : ASKABLE.vehicle,
  );
  const chip = (colour) => html`<button class=${`chip ${has(colour) ? "on" : ""}`} aria-pressed=${has(colour)}
    onClick=${() => flip(colour)}>
    <i class=${`swatch colour-${colour.name}`}></i>${colour.part} ${colour.name}</button>`;
  return html`
    <fieldset><legend>When</legend>
      <div class="chips">${Object.entries(WHENS).map(
        ([key, name]) => html`<button class=${`chip ${value.when === key ? "on" : ""}`}
        aria-pressed=${value.when === key}
          onClick=${() => onChange({ when: key, ...(key === "range" && !value.start_us ? { start_us: now_us() - 3600e6, end_us: now_us() } : {}) })}>${name}</button>`,
      )}</div>
      ${
        value.when === "range" &&
        html`<div class="range">
        <label>from <${TimeField} us=${value.start_us}
          onPick=${(start_us) => start_us !== null && onChange({ start_us })} /></label>
        <label>to <${TimeField} us=${value.end_us}
          onPick=${(end_us) => end_us !== null && onChange({ end_us })} /></label></div>`
      }
    </fieldset>
    <fieldset><legend>Where</legend>
      <div class="chips">${list.map(
        (camera) => html`<button class=${`chip ${value.cameras.includes(camera.id) ? "on" : ""}`}
          aria-pressed=${value.cameras.includes(camera.id)}
        onClick=${() => onChange({ cameras: toggled(value.cameras, camera.id) })}>${camera.name}</button>`,
      )}</div>
      <small>${value.cameras.length ? "" : "all cameras"}</small></fieldset>
    <fieldset><legend>Class</legend>
      <div class="chips">${CLASSES.map(
        (name) => html`<button class=${`chip ${value.classes.includes(name) ? "on" : ""}`}
          aria-pressed=${value.classes.includes(name)}
        onClick=${() => onChange({ classes: toggled(value.classes, name) })}><i
          class=${`dot class-${name}`}></i>${name}</button>`,
      )}</div></fieldset>
    <fieldset><legend>Must show colours</legend>
      <div class="chips">${(what?.colours ?? []).map(chip)}
        ${value.colours.filter((one) => !(what?.colours ?? []).some((other) => other.part === one.part && other.name === one.name)).map(chip)}</div>
      <div class="palette"><select aria-label="Part" onChange=${(event) => setPart(event.target.value)}>
          ${[...PARTS.person, ...PARTS.vehicle].map(
            (name) => html`<option value=${name}
            selected=${name === part}>${name}</option>`,
          )}</select>
        ${COLOURS.map(
          (name) => html`<button class="well" title=${name} aria-label=${`${part} ${name}`}
          onClick=${() => flip({ part, name })}><i class=${`swatch colour-${name}`}></i></button>`,
        )}</div>
    </fieldset>
    <fieldset><legend>Must be told to have</legend>
      <div class="chips">${value.attributes.map(
        (one) => html`<button class="chip on" aria-pressed="true"
        onClick=${() => wear(one)}>${phrase(one)}</button>`,
      )}</div>
      <select aria-label="Attribute" data-test="attribute" value="" onChange=${(event) => {
        const one = askable[event.target.value];
        event.target.value = "";
        if (one) wear(one);
      }}>
        <option value="">add …</option>${askable.map((one, at) =>
          worn(one)
            ? null
            : html`<option
          value=${at}>${phrase(one)}</option>`,
        )}</select>
      <small>Only where the camera was sure of it.</small></fieldset>`;
}

function Wanted({ what, onClear }) {
  const mask = masking(
    use(cameras).find((one) => one.id === what?.camera),
    what?.at_us ?? null,
  );
  useOnScreen(what?.camera ?? null, what?.at_us ?? null);
  if (!what) {
    return html`<div class="wanted nothing"><p>No example. Results are whatever passes the filters, newest first.</p>
      <p><small>For an example open a camera, freeze the picture (F) and click a person or a
        vehicle.</small></p></div>`;
  }
  return html`<div class="wanted" data-test="wanted"><img src=${what.crop}
    alt=${`The ${what.class} that is looked for, ${mask.masked ? "masked" : mask.tag}`} />
    <div><b>like this ${what.class}</b><p>${cameraName(what.camera)}<br />${day(what.at_us)} ${clock(what.at_us)}</p>
      <button class="quiet" onClick=${onClear}>Search without example</button></div></div>`;
}

export function Search() {
  const what = use(query);
  const found = use(results);
  const narrow = use(filters);
  const watched = use(opened);
  const [busy, setBusy] = useState(false);
  const turn = useRef(0);
  const later = useRef();

  const search = async () => {
    const mine = ++turn.current;
    setBusy(true);
    const example = what?.still
      ? { still: what.still, pick: what.pick }
      : what?.passage
        ? { passage: what.passage }
        : {};
    const answer = await attempt(() => post("/api/searches", { ...example, ...asked(filters.get()) }), {
      works: "Video and recordings are not affected.",
      todo: "If the frozen picture is older than ten minutes, freeze it again.",
      key: "search",
    });
    if (mine !== turn.current) return;
    setBusy(false);
    if (answer) results.set({ ...answer, what });
  };
  useEffect(() => {
    if (!found || found.what !== what) search();
  }, [what]);
  const change = (part) => {
    filters.set((before) => ({ ...before, ...part }));
    clearTimeout(later.current);
    later.current = setTimeout(search, "threshold" in part ? 250 : 30);
  };
  useEffect(() => () => clearTimeout(later.current), []);

  const fresh = found && found.what === what ? found : null;
  const exampleless = !what;
  const left = !fresh
    ? null
    : exampleless
      ? fresh.matches.length
      : fresh.histogram.slice(Math.round(narrow.threshold * 100)).reduce((sum, count) => sum + count, 0);
  return html`<section class="search" aria-label="Search">
    <aside class="ask" aria-label="What is looked for">
      <${Wanted} what=${what} onClear=${() => {
        query.set(null);
        results.set(null);
      }} />
      ${
        !exampleless &&
        html`<${Threshold} value=${narrow.threshold} left=${left} onInput=${(threshold) => change({ threshold })} />
        ${fresh && html`<${Spread} histogram=${fresh.histogram} threshold=${narrow.threshold} />`}`
      }
      <details class="filters-fold" open=${window.innerWidth > 760}><summary>Filters</summary>
        <${Filters} what=${what} value=${narrow} onChange=${change} /></details>
    </aside>
    <div class=${`found ${watched ? "split" : ""}`}>
      ${
        watched &&
        html`<div class="beside"><button class="quiet close" aria-label="Close the video"
          onClick=${() => opened.set(null)}>✕</button>
        <${CameraView} key=${watched.camera} camera=${watched.camera} at=${watched.at_us} compact /></div>`
      }
      <div class="results"><${Results} found=${fresh} busy=${busy} threshold=${exampleless ? 0 : narrow.threshold}
        filters=${narrow} onLoosen=${change} /></div>
    </div>
  </section>`;
}

// Results as cards, best first. A click plays the video from a few seconds before; the cards stay.
import { html, useEffect, useState } from "../parts/html.js";
import { phrase } from "../parts/attributes.js";
import { CardShot, shotOf } from "../parts/best-shot.js";
import { masking, useOnScreen } from "../parts/masking.js";
import { SelectionButton } from "../parts/selection.js";
import { cameraName, cameras, may, opened, query, reveal, use } from "../parts/store.js";
import { clock, day, span, us } from "../parts/times.js";

const BEFORE_US = 3e6;
const SAME_PASSAGE_US = 3e6;
const SIMILAR = 0.12;
const NARROWEST = {
  cameras: "where (the cameras)",
  time: "when",
  classes: "the class",
  colours: "the colours",
  attributes: "the attributes",
  threshold: "how alike",
};
const SAID = "veilcam.similar-said";

const timed = (match) => ({
  ...match,
  camera_name: cameraName(match.camera),
  first_us: us(match.first),
  best_us: us(match.best),
  last_us: us(match.last),
}); // `masking`: what may have held at its best picture

// A tracker that lost somebody for a moment leaves two passages; one that follows the other at once, on the same
// camera and as similar, is one card with a count. Two people at the same time overlap and stay two cards.
function folded(matches) {
  const cards = [];
  for (const match of matches) {
    const same =
      match.similarity !== null &&
      cards.find(
        (card) =>
          card.camera === match.camera &&
          card.class === match.class &&
          card.members.every((one) => {
            const gap = Math.max(one.first_us, match.first_us) - Math.min(one.last_us, match.last_us);
            return gap >= 0 || card.members.length > 1;
          }) &&
          card.members.some((one) => {
            const gap = Math.max(one.first_us, match.first_us) - Math.min(one.last_us, match.last_us);
            return (
              gap >= 0 && gap < SAME_PASSAGE_US && Math.abs((one.similarity ?? 0) - (match.similarity ?? 0)) < SIMILAR
            );
          }),
      );
    if (same) same.members.push(match);
    else cards.push({ ...match, members: [match] });
  }
  return cards;
}

const told = (card) => card.attributes.map(phrase).filter(Boolean).join(", ");

function Card({ card, playing, onNot, on, clear, onClear }) {
  const play = () => opened.set({ camera: card.camera, at_us: card.best_us - BEFORE_US, passage: card.passage });
  const more = () =>
    query.set({
      passage: card.passage,
      camera: card.camera,
      at_us: card.best_us,
      class: card.class,
      colours: card.colours,
      crop: shotOf(card.passage),
    });
  const alike = card.similarity === null ? null : Math.round(card.similarity * 100);
  const mask = masking(
    use(cameras).find((one) => one.id === card.camera),
    card.best_us,
    card.masking,
  );
  useOnScreen(card.camera, card.best_us, card.masking);
  return html`<li class=${`card ${playing ? "playing" : ""}`} data-test="card" data-camera=${card.camera}
    data-passage=${card.passage} data-similarity=${card.similarity}>
    <button class="open" onClick=${play}
      aria-label=${`${card.class} on ${card.camera_name} at ${clock(card.best_us)}${alike === null ? "" : `, similarity ${alike} percent`}, ${clear ? "to be shown clear" : mask.masked ? "masked" : mask.tag}. Play`}>
      <${CardShot} passage=${card.passage} on=${clear ? on : null}>
        ${!mask.masked && html`<span class="tag warn open-tag">${mask.tag}</span>`}
        ${card.members.length > 1 && html`<span class="tag times">${card.members.length} ×</span>`}<//>
      <span class="lines"><b>${card.camera_name}</b>
        <time>${day(card.best_us)}<br />${clock(card.best_us)}</time>
        <small>${span((card.last_us - card.first_us) / 1e6)} in view</small>
        <span class="swatches">${card.colours.slice(0, 4).map(
          (colour) => html`<i
          class=${`swatch colour-${colour.name}`} title=${`${colour.part} ${colour.name}`}></i>`,
        )}</span>
        ${told(card) && html`<small class="told" data-test="told">${told(card)}</small>`}</span>
      ${
        alike !== null &&
        html`<span class="alike"><span class="bar"
        style=${{ "--share": card.similarity }}></span><b>${alike} %</b></span>`
      }
    </button>
    <span class="acts"><button class="quiet" onClick=${more} title="Search with this one">More like this</button>
      ${
        on &&
        html`<button class="quiet" onClick=${onClear} aria-pressed=${clear} data-test="card-clear"
        title="The original of this best shot; it goes into the audit log">${clear ? "Mask" : "Clear"}</button>`
      }
      ${
        may("admin") &&
        card.class === "person" &&
        html`<${SelectionButton} camera=${card.camera}
        passage=${card.passage} />`
      }
      <button class="quiet" onClick=${onNot} title="Hide it: your judgement, not the box's">Not this</button></span>
  </li>`;
}

function Path({ cards }) {
  const steps = [];
  for (const card of [...cards].sort((a, b) => a.best_us - b.best_us)) {
    if (!steps.length || steps[steps.length - 1].camera !== card.camera) steps.push(card);
  }
  if (steps.length < 2) return null;
  return html`<ol class="path" aria-label="The best results in order of time">${steps.slice(0, 8).map(
    (step) => html`
    <li><button class="quiet"
      onClick=${() => opened.set({ camera: step.camera, at_us: step.best_us - BEFORE_US, passage: step.passage })}>
      <b>${step.camera_name}</b> <time>${clock(step.best_us)}</time></button></li>`,
  )}</ol>`;
}

export function Results({ found, busy, threshold, filters, onLoosen }) {
  const watched = use(opened);
  const [grouped, setGrouped] = useState(false);
  const [not, setNot] = useState([]);
  const [said, setSaid] = useState(localStorage.getItem(SAID) === "yes");
  useEffect(() => setNot([]), [found?.what]);
  const now = use(reveal);
  const on = now?.whole_picture ? now : null; // one person only: others may stand beside them in a best shot
  const [asked, setAsked] = useState([]); // passages to be shown clear while this reveal is on
  useEffect(() => setAsked([]), [on?.id]);
  const matches = (found?.matches ?? [])
    .map(timed)
    .filter((match) => match.similarity === null || match.similarity >= threshold);
  const cards = folded(matches).filter((card) => !not.includes(card.passage));
  const spanned = on
    ? cards
        .filter((card) => card.camera === on.camera && card.best_us >= on.from_us && card.best_us < us(on.covers.end))
        .map((card) => card.passage)
    : [];
  const every = spanned.length > 0 && spanned.every((passage) => asked.includes(passage));
  const groups = grouped
    ? [...new Set(cards.map((card) => card.camera))].map((camera) => cards.filter((card) => card.camera === camera))
    : [cards];
  const sure = cards.filter((card) => card.similarity !== null).slice(0, 8);

  return html`
    ${
      !said &&
      html`<div class="saying" role="note"><p><b>Similar appearance, never identity.</b> Results wear similar clothes or
        look alike as vehicles.
      Two people in the same coat are alike here, and one person in another coat is not. Check the video before you act
        on it.</p>
      <button onClick=${() => {
        localStorage.setItem(SAID, "yes");
        setSaid(true);
      }}>I understand</button></div>`
    }
    <div class="summary" role="status" data-test="summary">
      ${
        busy
          ? html`<span
        class="busy">comparing…</span>`
          : found &&
            html`<span><b>${found.compared.toLocaleString()}</b> ${found.compared === 1 ? "passage" : "passages"} compared
        in ${found.took_ms < 10 ? found.took_ms.toFixed(1) : Math.round(found.took_ms)} ms</span>`
      }
      ${
        found?.other_model > 0 &&
        html`<span class="tag warn"
        title="On the box: python -m nvr_box reencode">${found.other_model} not compared: described by another
        model</span>`
      }
      <span class="push"></span>
      ${
        spanned.length > 0 &&
        html`<label><input type="checkbox" data-test="cards-clear" checked=${every}
        onChange=${(event) => setAsked(event.target.checked ? [...new Set([...asked, ...spanned])] : asked.filter((one) => !spanned.includes(one)))} />
        clear: ${spanned.length} of ${cameraName(on.camera)} since ${clock(on.from_us)}</label>`
      }
      <label><input type="checkbox" checked=${grouped} onChange=${(event) => setGrouped(event.target.checked)} /> by
        camera</label>
      ${not.length > 0 && html`<button class="quiet" onClick=${() => setNot([])}>Show ${not.length} set aside</button>`}
    </div>
    <${Path} cards=${sure} />
    ${groups.map(
      (
        group,
      ) => html`${grouped && group.length > 0 && html`<h2>${group[0].camera_name} <small>${group.length}</small></h2>`}
      <ul class="cards" data-test="cards">${group.map(
        (card) => html`<${Card} key=${card.passage} card=${card} playing=${watched?.passage === card.passage}
        on=${card.camera === on?.camera ? on : null} clear=${asked.includes(card.passage)}
        onClear=${() => setAsked(asked.includes(card.passage) ? asked.filter((one) => one !== card.passage) : [...asked, card.passage])}
        onNot=${() => setNot([...not, card.passage])} />`,
      )}</ul>`,
    )}
    ${
      found &&
      !busy &&
      !cards.length &&
      html`<div class="empty"><h2>Nothing ${threshold ? "that similar" : "found"}</h2>
      <p>${found.narrowest ? `The filter that removes the most is ${NARROWEST[found.narrowest] ?? found.narrowest}.` : found.stored ? "" : "No passage is stored yet. Passages appear a few seconds after somebody walked by."}</p>
      <p>${threshold > 0.3 && html`<button onClick=${() => onLoosen({ threshold: 0.3 })}>Allow less similar</button>`}
        ${
          filters.cameras.length ||
          filters.classes.length ||
          filters.colours.length ||
          filters.attributes.length ||
          filters.when !== "all"
            ? html`
        <button onClick=${() => onLoosen({ cameras: [], classes: [], colours: [], attributes: [], when: "all" })}>Clear
          the filters</button>`
            : null
        }</p></div>`
    }`;
}

// The approvers' list: who wants to reveal what and why, with the masked picture of that time; agree or refuse.
import { html, useState } from "../parts/html.js";
import { attempt, now_us, post, seg } from "../parts/api.js";
import { masking, useOnScreen } from "../parts/masking.js";
import { lookAgain } from "../parts/reveal.js";
import { cameraName, cameras, revealWays, use } from "../parts/store.js";
import { clock, countdown, full, us } from "../parts/times.js";

function Wish({ wish }) {
  const [why, setWhy] = useState("");
  const [busy, setBusy] = useState(false);
  const mask = masking(
    use(cameras).find((one) => one.id === wish.camera),
    us(wish.from),
  );
  useOnScreen(wish.camera, us(wish.from));
  const answer = async (approve) => {
    setBusy(true);
    await attempt(() => post(`/api/reveals/requests/${seg(wish.id)}`, { approve, why }), {
      works: "Everything stays masked.",
      todo: "The list shows what still waits.",
      key: "approve",
    });
    await lookAgain();
    setBusy(false);
  };
  return html`<article class="wish" data-test="wish" data-camera=${wish.camera}>
    <img src=${`/api/cameras/${seg(wish.camera)}/thumbnail?at=${seg(wish.from)}&width=320`} width="320"
      alt=${`${mask.word} picture of ${cameraName(wish.camera)}`} />
    <div><h2>${wish.who} asks to reveal ${cameraName(wish.camera)}</h2>
      <dl><dt>Reason</dt><dd>${wish.reason}</dd><dt>What</dt><dd>${wish.whole_picture ? "the whole picture" : "one person; bystanders stay masked"}</dd>
        <dt>From</dt><dd>${full(us(wish.from))} to ${clock(us(wish.until))}</dd><dt>Left to
          answer</dt><dd>${countdown((us(wish.expires) - now_us()) / 1e6)}</dd></dl>
      <label class="field">A word to them <small>goes into the log</small><input maxlength="300" value=${why}
        onInput=${(event) => setWhy(event.target.value)} data-test="why" /></label>
      <div class="buttons"><button class="quiet" disabled=${busy} onClick=${() => answer(false)}
        data-test="refuse">Refuse</button>
        <button class="danger" disabled=${busy} onClick=${() => answer(true)} data-test="approve">Approve
          once</button></div></div>
  </article>`;
}

export function Approve() {
  const { to_answer: wishes = [] } = use(revealWays);
  return html`<section class="page" aria-label="Approve"><h1>Approve</h1>
    <p>Reveals on this box need two people. Whoever asks sees originals of that time and of nothing else, once, for a
      few minutes, with their name on every picture; your answer is logged with yours.</p>
    ${wishes.map((wish) => html`<${Wish} key=${wish.id} wish=${wish} />`)}
    ${!wishes.length && html`<p data-test="none">Nobody is waiting for an answer.</p>`}</section>`;
}

// The picture of one camera and what lies over it: outlines, the frozen still, states, watermark.
import { html } from "../parts/html.js";
import { Frozen } from "./freeze.js";
import { isCovered, lostWords } from "./picture-state.js";
import { Outlines } from "../parts/released-places.js";
import { SelectionBanner } from "../parts/selection.js";
import { cameraName, may } from "../parts/store.js";

// `now`: what usePicture says; `mask`: what masking() says; `placing`: {box} while a released place is drawn.
export function Picture({ view, refs, setFrozen, setPlacing }) {
  const { camera, one, revealed, state, now, mask, frozen, placing, taken_us } = view;
  const doubt = revealed && (revealed.in_browser ? state.reason : revealed.verdicts.reason);
  const covered = isCovered(now.kind) && !frozen;
  const whole = now.kind === "whole";
  const name = cameraName(camera);
  const onDraw = placing && !frozen && may("admin") ? (box) => setPlacing({ box }) : null;
  return html`<div class=${`picture ${revealed ? "revealed" : ""} ${covered ? "stale" : ""}`} data-test="picture"
    data-kind=${now.kind}>
    <video ref=${refs.video} hidden=${Boolean(revealed?.in_browser)} muted playsinline
      aria-label=${`${revealed ? "Revealed" : mask.word} video of ${name}, ${now.words}`}></video>
    ${
      revealed?.in_browser &&
      html`<canvas ref=${refs.canvas} class="opened" role="img" data-test="opened" data-state=${state.state}
        aria-label=${`Revealed video of ${name}`}></canvas>`
    }
    ${!revealed && html`<${Outlines} camera=${camera} at_us=${taken_us} drawn=${placing?.box} onDraw=${onDraw} />`}
    ${
      frozen &&
      html`<${Frozen} still=${frozen} camera=${camera} whole=${whole ? now.words : ""}
        onClose=${() => setFrozen(null)} onStill=${setFrozen} />`
    }
    ${covered && html`<p class="over" role="status" data-test="over"><b>${now.words}</b> ${now.detail}</p>`}
    ${
      whole &&
      !frozen &&
      html`<p class="over whole" role="status" data-test="over"><b>${now.words}</b>
        ${" "}<span class="narrow-hide">${now.detail}</span></p>`
    }
    ${revealed && html`<p class="watermark" aria-hidden="true">${revealed.watermark}</p>`}
    ${doubt && html`<p class="verdicts" role="status" data-test="verdicts">${doubt}</p>`}
    <${SelectionBanner} camera=${camera} />
    <p class="corner"><b>${name}</b> <span class=${`tag ${now.kind}`}
      data-test="state">${whole ? "live, all masked" : now.words}</span>
      ${
        revealed
          ? html`<span class="tag reveal" data-test="mask">revealed</span>`
          : !mask.masked && html`<span class="tag warn" data-test="mask" title=${mask.why}>${mask.tag}</span>`
      }
      ${one?.state === "lost" && now.kind !== "lost" && html`<span class="tag lost">${lostWords(one).words}</span>`}</p>
  </div>`;
}

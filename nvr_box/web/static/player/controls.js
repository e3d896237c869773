// The row of buttons below the picture.
import { html, useRef } from "../parts/html.js";
import { now_us } from "../parts/api.js";
import { releasedAt } from "../parts/masking.js";
import { isFresh } from "./picture-state.js";
import { may } from "../parts/store.js";
import { TimeField } from "../parts/time-field.js";
import { clock, day, iso, zone } from "../parts/times.js";

// `goto`: a ref to the field, which a key may focus.
function GoTo({ goto, seek }) {
  const followed = useRef(null); // what the field said when it was last followed
  const follow = (to_us) => {
    if (to_us === null || to_us === followed.current) return;
    followed.current = to_us;
    seek(to_us);
  };
  const enter = (to_us) => {
    followed.current = null;
    follow(to_us);
    goto.current.blur();
  };
  const pick = (to_us) => {
    if (document.activeElement?.matches(".twice")) follow(to_us);
  };
  return html`<label class="goto"><span class="hidden">Go to a time (${zone(now_us())})</span>
    <${TimeField} inputRef=${goto} title="G: go to a time" onPick=${pick} onEnter=${enter}
      onLeave=${follow} /></label>`;
}

// What the rights of the account allow with the picture.
function Rights({ view, act }) {
  const { one, revealed, frozen, shown, placing, compact, nothing } = view;
  const places = one?.veilcam && !revealed && !compact && (may("admin") || releasedAt(one).length > 0);
  return html`
    ${
      may("operator") &&
      html`<button onClick=${act.freeze} disabled=${!frozen && shown === null} aria-pressed=${Boolean(frozen)}
        data-test="freeze" title="F">Freeze</button>
      <button class="quiet" data-test="export" title="E" onClick=${act.export}>Export…</button>`
    }
    ${
      places &&
      html`<button class="quiet" data-test="places-open" aria-expanded=${Boolean(placing)}
        onClick=${act.places}>Places…</button>`
    }
    ${
      may("reveal") &&
      !revealed &&
      one?.veilcam &&
      html`<button class="warn" data-test="reveal" title="R" disabled=${nothing} onClick=${act.reveal}>Reveal…</button>`
    }`;
}

export function Controls({ view, act, goto }) {
  const { one, live, now, shown, speed, paused } = view;
  const fresh = live && isFresh(now.kind);
  return html`<div class="controls" role="toolbar" aria-label="Playback">
    <button onClick=${act.toggle} data-test="pause" aria-label=${paused ? "Play" : "Pause"}
      title="Space">${paused ? "▶" : "❚❚"}</button>
    <button class="quiet narrow-hide" onClick=${() => act.step(-10e6)} aria-label="Back ten seconds" title="J">−10
      s</button>
    <button class="quiet narrow-hide" onClick=${act.faster} aria-label="Faster" title="L">${speed} ×</button>
    ${
      !one?.by_client &&
      html`<button class=${fresh ? "on" : ""} onClick=${act.goLive} aria-pressed=${fresh}
      title="N">Live</button>`
    }
    <time class="now" data-test="now" data-us=${shown ?? ""} dateTime=${shown ? iso(shown) : ""}>
      ${shown ? html`<span class="narrow-hide">${day(shown)} </span>${clock(shown)}` : "–"}</time>
    <${GoTo} goto=${goto} seek=${act.seek} />
    <span class="push"></span>
    <${Rights} view=${view} act=${act} />
  </div>`;
}

// A time to the second as the page writes it, 2026-10-25 02:30:00; where the clock shows it twice, its offset beside it.
import { html, useRef, useState } from "./html.js";
import { ambiguous, instants, offset, toField, zone } from "./times.js";

const NEVER =
  "There is no such time here: write 2026-10-25 02:30:00. In the night in which clocks are put forward an hour is left out.";

// `us`: what it begins with. `onPick(us)` hears every time that is named, null while none is. A form gets the time in
// UTC microseconds under `${name}_us`.
export function TimeField({ name, us = null, required = false, inputRef, title, onPick, onEnter, onLeave }) {
  const own = useRef();
  const input = inputRef ?? own;
  const [text, setText] = useState(us === null ? "" : toField(us));
  const [at, setAt] = useState(us);
  const both = at === null ? [] : ambiguous(at);
  const name_ = (to) => {
    setAt(to);
    onPick?.(to);
  };
  const type = (value) => {
    setText(value);
    const found = instants(value);
    input.current.setCustomValidity(value && !found.length ? NEVER : "");
    // What stays the same keeps its offset; of two the first, until the other is chosen.
    name_(found.find((one) => at !== null && offset(one) === offset(at)) ?? found[0] ?? null);
  };
  return html`<span class="time-field">
    <input ref=${input} name=${name} type="text" inputmode="text" value=${text} required=${required} title=${title}
      size="19" maxlength="32" placeholder="YYYY-MM-DD HH:MM:SS"
      autocomplete="off" spellcheck=${false} onInput=${(event) => type(event.target.value)}
      onKeyDown=${(event) => {
        if (event.key === "Enter" && onEnter) {
          event.preventDefault();
          onEnter(at);
        }
      }} onBlur=${() => onLeave?.(at)} />
    ${name && html`<input type="hidden" name=${`${name}_us`} value=${at ?? ""} />`}
    ${
      both.length > 1 &&
      html`<select class="twice" aria-label="This time comes twice that night: which?" data-test="twice"
        onChange=${(event) => name_(Number(event.target.value))}>
      ${both.map(
        (one, n) => html`<option value=${one}
        selected=${one === at}>${n ? "second" : "first"}, ${zone(one)}</option>`,
      )}</select>`
    }</span>`;
}

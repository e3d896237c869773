// Signing in. The sentence of a refusal comes from the box and is the same for a wrong name and a wrong password.
import { html, useEffect, useRef, useState } from "../parts/html.js";
import { post, Refused, signedIn } from "../parts/api.js";
import { notices, sessionEnd, use } from "../parts/store.js";

export function SignIn() {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const name = useRef();
  const ended = use(sessionEnd);
  useEffect(() => {
    name.current.focus();
    notices.set([]);
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    setBusy(true);
    try {
      signedIn(await post("/api/sign-in", Object.fromEntries(new FormData(form))));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error.message);
      setBusy(false);
      form.elements.password.value = "";
      form.elements.password.focus();
    }
  };
  return html`<main class="signin"><form onSubmit=${submit} aria-labelledby="signin-title">
    <img src="/static/mark.svg" alt="" width="56" height="56" />
    <h1 id="signin-title">Veilcam</h1>
    <p>Cameras that mask people before the picture is encoded.</p>
    ${ended && !refusal && html`<p class="refusal ended" role="status" data-test="session-end">${ended}</p>`}
    ${refusal && html`<p class="refusal" role="alert">${refusal}</p>`}
    <label class="field">Name <input ref=${name} name="name" required autocomplete="username" autocapitalize="none"
      spellcheck=${false} /></label>
    <label class="field">Password <input name="password" type="password" required
      autocomplete="current-password" /></label>
    <button class="primary" disabled=${busy}>${busy ? "signing in…" : "Sign in"}</button>
    <p><small>Every sign-in, search and reveal is logged with your name.</small></p>
  </form></main>`;
}

// The first account: its password was made up and lies in a file, so it may do nothing before it has another.
export function Claim({ name }) {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const first = useRef();
  useEffect(() => {
    first.current.focus();
    notices.set([]);
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    const { password, again } = event.target.elements;
    if (password.value !== again.value) {
      setRefusal("The two are not the same.");
      again.focus();
      return;
    }
    setBusy(true);
    try {
      signedIn(await post("/api/claim", { password: password.value }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefusal(error.message);
      setBusy(false);
      password.focus();
    }
  };
  return html`<main class="signin"><form onSubmit=${submit} aria-labelledby="claim-title" data-test="claim">
    <img src="/static/mark.svg" alt="" width="56" height="56" />
    <h1 id="claim-title">Your own password</h1>
    <p>The password of ${name} was made up by the box. Choose one that only you know; the old one and its file go.</p>
    ${refusal && html`<p class="refusal" role="alert">${refusal}</p>`}
    <input type="text" name="name" value=${name} autocomplete="username" hidden readonly />
    <label class="field">New password <input ref=${first} name="password" type="password" required minlength="10"
      autocomplete="new-password" /></label>
    <label class="field">The same again <input name="again" type="password" required
      autocomplete="new-password" /></label>
    <button class="primary" disabled=${busy}>${busy ? "keeping…" : "Use this password"}</button>
  </form></main>`;
}

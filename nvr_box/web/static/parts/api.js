// Asking the box: JSON both ways, the CSRF token on everything that changes something.
import { away, me, sessionEnd, settle, tell } from "./store.js";
import { us } from "./times.js";

export class Refused extends Error {
  constructor(status, sentence, field = null) {
    super(sentence);
    this.status = status;
    this.field = field;
  }
}

let csrf = "";
let clockOffset_us = 0; // box clock minus this computer's

export const now_us = () => Date.now() * 1000 + clockOffset_us;

export function signedIn(answer) {
  csrf = answer.csrf;
  clockOffset_us = us(answer.now) - Date.now() * 1000;
  sessionEnd.set("");
  me.set(answer);
}

function signedOut(why) {
  csrf = "";
  if (me.get()) sessionEnd.set(why);
  me.set(null);
}

const OVER =
  "Your session has ended: it lasts twelve hours, an hour without use, and not beyond a restart of the box or a sign-out elsewhere. Recording goes on; sign in to go on here.";

async function send(method, path, body, options = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-Veilcam-CSRF"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      ...options,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    away.set(true);
    throw new Refused(0, "The box does not answer.");
  }
  away.set(false);
  if (reply.ok) return reply;
  const answer = await reply.json().catch(() => ({}));
  if (reply.status === 401 && path !== "/api/sign-in") signedOut(OVER);
  throw new Refused(reply.status, answer.error || `The box answered ${reply.status}.`, answer.field);
}

export async function call(method, path, body, options) {
  const reply = await send(method, path, body, options);
  return reply.status === 204 ? null : reply.json();
}

export const bytes = async (path) => (await send("GET", path)).arrayBuffer();
export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body = {}, options) => call("POST", path, body, options);

// One JSON value a line, handed over as it arrives.
export async function* lines(path, body) {
  const reply = await send("POST", path, body);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? "";
    const whole = rest.split("\n");
    rest = whole.pop();
    for (const line of whole) if (line) yield JSON.parse(line);
    if (done) return;
  }
}

// Run `work` and turn a refusal into a notice; resolves to undefined then.
export async function attempt(work, { works = "", todo = "", key = null } = {}) {
  try {
    const answer = await work();
    if (key) settle(key);
    return answer;
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (!(error instanceof Refused)) throw error;
    if (error.status === 401) return undefined; // the sign-in form says it
    tell(error.message, {
      works: error.status === 0 ? "Recording goes on without this page." : works,
      todo: error.status === 0 ? "Check the network; the page keeps trying." : todo,
      key: error.status === 0 ? "away" : key,
    });
    return undefined;
  }
}

export async function askWhoIsThere() {
  try {
    signedIn(await get("/api/me"));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    me.set(null);
    if (error.status === 0) tell(error.message, { works: "Recording goes on without this page.", key: "away" });
  }
}

export async function signOut() {
  await attempt(() => post("/api/sign-out"));
  signedOut("");
}

export const seg = encodeURIComponent;
export const socketAddress = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;

// Places are hashes: #live, #watch/1, #search, #cameras, #audit. The address can be kept and sent on.
import { shared } from "./store.js";

function read() {
  const [path, asked = ""] = location.hash.slice(1).split("?");
  const [place, ...rest] = path.split("/");
  const nowhere = !place || (place === "watch" && !rest.length);
  return { place: nowhere ? "live" : place, rest, asked: new URLSearchParams(asked) };
}

export const route = shared(read());
window.addEventListener("hashchange", () => route.set(read()));

export function go(place, ...rest) {
  location.hash = [place, ...rest].join("/");
}

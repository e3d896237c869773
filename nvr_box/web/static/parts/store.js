// What several places of the page share: one value each, watched by whoever shows it.
import { useEffect, useState } from "./html.js";

export function shared(initial) {
  let value = initial;
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      value = typeof next === "function" ? next(value) : next;
      for (const watcher of [...watchers]) watcher(value);
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

export function use(source) {
  const [value, setValue] = useState(source.get());
  useEffect(() => {
    setValue(source.get());
    return source.watch(setValue);
  }, [source]);
  return value;
}

export const me = shared(undefined); // undefined: not asked yet; null: signed out; else {name, rights, box, …}
export const cameras = shared([]);
export const notices = shared([]);
export const boxNotices = shared([]); // what the box says about itself: [{kind, text}]; shown while it says so
export const away = shared(false); // the box did not answer when it was asked last
export const sessionEnd = shared(""); // why somebody who was signed in is not any more
export const reveal = shared(null); // the one reveal that is on: {id, camera, expires_us, reason, …}
export const revealWays = shared({}); // {in_browser, dual_control}: what the box lets the page do
export const query = shared(null); // what is searched for; survives a visit to the video
export const results = shared(null);
export const opened = shared(null); // the result that is being watched: {camera, at_us, passage}
export const theme = shared(localStorage.getItem("veilcam.theme") || "dark");

theme.watch((name) => {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("veilcam.theme", name);
});
document.documentElement.dataset.theme = theme.get();

let lastNotice = 0;

// Say what happened, what still works and what to do; it stays until it is read.
export function tell(what, { works = "", todo = "", kind = "error", key = null } = {}) {
  const id = ++lastNotice;
  notices.set((list) => [...list.filter((one) => !key || one.key !== key), { id, key, kind, what, works, todo }]);
  return id;
}

export function settle(key) {
  if (notices.get().some((one) => one.key === key)) notices.set((list) => list.filter((one) => one.key !== key));
}

export const may = (right) => Boolean(me.get()?.rights.includes(right));
export const cameraName = (id) => cameras.get().find((camera) => camera.id === id)?.name ?? id;

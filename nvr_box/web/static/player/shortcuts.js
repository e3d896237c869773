// The keys of a camera's view, and their list for the help.
import { useEffect } from "../parts/html.js";

// `keys`: an action by the key's name, letters in lower case; `off`: a dialogue has them.
export function useShortcuts(keys, off) {
  useEffect(() => {
    const press = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || off) return;
      if (event.target.closest("input, textarea, select, dialog")) return;
      if (event.key === " " && event.target.closest("button, a")) return;
      const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });
}

export const viewKeys = [
  ["Space K", "play and pause"],
  ["J", "back ten seconds"],
  ["L", "faster: 1, 2, 4, 8 ×"],
  ["← →", "one second"],
  [", .", "one frame"],
  ["↑ ↓", "previous and next passage"],
  ["F", "freeze and pick"],
  ["G", "go to a time"],
  ["N", "now: back to live"],
  ["R", "reveal (with the right to)"],
  ["E", "export a package"],
  ["+ −", "zoom the timeline, when it has the focus"],
];

// Times as people read them: this computer's zone, to the second. On the wire they are UTC microseconds.
const two = (n) => String(n).padStart(2, "0");
const date = (us) => new Date(us / 1000);

const wall = (us) => {
  const t = date(us);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
};

// Minutes east of UTC then.
export const offset = (us) => -date(us).getTimezoneOffset();

const DAY_US = 86400e6;

// Every instant at which clocks here show the same as at `us`, in order: two in the hour that a change of the clocks
// repeats.
export function ambiguous(us) {
  const here = offset(us);
  const others = [offset(us - DAY_US), offset(us + DAY_US)]
    .filter((one) => one !== here)
    .map((one) => us + (here - one) * 60e6)
    .filter((one) => offset(one) !== here && wall(one) === wall(us));
  return [...new Set([us, ...others])].sort((a, b) => a - b);
}

const offsetWords = (us) =>
  `${offset(us) < 0 ? "−" : "+"}${two(Math.floor(Math.abs(offset(us)) / 60))}:${two(Math.abs(offset(us)) % 60)}`;

// In the repeated hour with its offset, so that no time is written that could be two.
export const clock = (us) => wall(us) + (ambiguous(us).length > 1 ? ` ${offsetWords(us)}` : "");
export const clockMinute = (us) => wall(us).slice(0, 5) + (ambiguous(us).length > 1 ? ` ${offsetWords(us)}` : "");

export const day = (us) => {
  const t = date(us);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;
};

export const zone = (us) => {
  const east_min = -date(us).getTimezoneOffset();
  const sign = east_min < 0 ? "−" : "+";
  return `UTC${east_min === 0 ? "" : `${sign}${two(Math.floor(Math.abs(east_min) / 60))}:${two(Math.abs(east_min) % 60)}`}`;
};

export const full = (us) => `${day(us)} ${clock(us)} ${zone(us)}`;

// Six decimals, because a frame is asked for by its exact time; Date alone would cut it to milliseconds.
export const iso = (us) => {
  const whole_s = Math.floor(us / 1e6);
  return `${new Date(whole_s * 1000).toISOString().slice(0, 19)}.${String(Math.round(us) - whole_s * 1e6).padStart(6, "0")}Z`;
};

export const us = (text) => {
  const [, whole, part = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(text);
  return Date.parse(`${whole}Z`) * 1000 + Number(part.slice(0, 6).padEnd(6, "0"));
};

// What a time field shows.
export const toField = (us) => `${day(us)} ${wall(us)}`;

const FIELD = /^\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[T\s]+(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?)?\s*$/;

// Every instant that clocks here show as `text`: one, two in a repeated hour, none in one that is left out.
export function instants(text) {
  const found = FIELD.exec(text);
  if (!found) return [];
  const [year, month, on, hour = 0, minute = 0, second = 0] = found
    .slice(1)
    .map((part) => (part === undefined ? undefined : Number(part)));
  const as_us = Date.UTC(year, month - 1, on, hour, minute, second) * 1000;
  const written = new Date(as_us / 1000);
  if (written.getUTCMonth() !== month - 1 || written.getUTCDate() !== on || hour > 23 || minute > 59 || second > 59)
    return [];
  const offsets = new Set([-DAY_US, 0, DAY_US].map((apart) => offset(as_us + apart)));
  return [...offsets]
    .map((east) => ({ east, us: as_us - east * 60e6 }))
    .filter(({ east, us }) => offset(us) === east)
    .map(({ us }) => us)
    .sort((a, b) => a - b);
}

// Every instant in [from, until) at which clocks here show a multiple of `step_us` since midnight.
export function marks(from, until, step_us) {
  const found = [];
  const offsets = [...new Set([offset(from), offset(until)])];
  const first_us = from + Math.min(...offsets) * 60e6;
  const last_us = until + Math.max(...offsets) * 60e6;
  for (let as_us = Math.ceil(first_us / step_us) * step_us; as_us < last_us; as_us += step_us) {
    for (const east of offsets) {
      const at = as_us - east * 60e6;
      if (at >= from && at < until && offset(at) === east) found.push(at);
    }
  }
  return found.sort((a, b) => a - b);
}

export function span(s) {
  const whole = Math.max(0, Math.round(s));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60 ? `${whole % 60} s` : ""}`.trim();
  if (whole < 172800) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} days`;
}

export const countdown = (s) => `${two(Math.floor(Math.max(0, s) / 60))}:${two(Math.floor(Math.max(0, s) % 60))}`;

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 1000 && at < units.length - 1) {
    n /= 1000;
    at += 1;
  }
  return `${n < 10 && at ? n.toFixed(1) : Math.round(n)} ${units[at]}`;
}

// Times as people read them: this computer's zone, to the second. On the wire they are UTC microseconds.
const two = (n) => String(n).padStart(2, "0");
const date = (us) => new Date(us / 1000);

export const clock = (us) => {
  const t = date(us);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
};

export const day = (us) => {
  const t = date(us);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;
};

export const zone = (us) => {
  const east_min = -date(us).getTimezoneOffset();
  const sign = east_min < 0 ? "−" : "+";
  return `UTC${east_min === 0 ? "" : sign + two(Math.floor(Math.abs(east_min) / 60)) + ":" + two(Math.abs(east_min) % 60)}`;
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

// The value of <input type="datetime-local" step="1"> and back.
export const toField = (us) => `${day(us)}T${clock(us)}`;
export const fromField = (text) => new Date(text).getTime() * 1000;

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
  while (n >= 1000 && at < units.length - 1) { n /= 1000; at += 1; }
  return `${n < 10 && at ? n.toFixed(1) : Math.round(n)} ${units[at]}`;
}

// What is true of a picture on the page, in words: one rule for tiles and for the large picture. No I/O.
import { clock, span } from "../parts/times.js";

const LIVE_S = 6; // "live" is a picture of the last seconds, and no other
const SLOW_FRAMES = 2; // a stream of one picture in five seconds is as live as its newest two
const SLOWEST_S = 30;
const PATIENCE_S = 5; // how long "connecting" may last
const CLOCK_S = 5; // beyond this the box dates pictures by their arrival, so the camera's lag is in its clock

// How old the picture is that was taken at `shown_us`.
export function age_s(shown_us, now_us, offset_s) {
  const arrived = (now_us - shown_us) / 1e6;
  if (offset_s > 0 && offset_s <= CLOCK_S) return arrived + offset_s; // dated by a clock that is ahead
  if (offset_s < -CLOCK_S) return arrived - offset_s;
  return arrived;
}

const slack_s = (rate_fps) => LIVE_S + (rate_fps > 0 ? Math.min(SLOWEST_S, SLOW_FRAMES / rate_fps) : 0);
const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "");

// {reason, behind_s} of the camera itself: "the detector is late: whole picture masked, 4 s behind".
export function wholeWords({ reason = "", behind_s = null }) {
  return `${reason ? `${reason}: ` : ""}whole picture masked${behind_s ? `, ${span(behind_s)} behind` : ""}`;
}

export function lostWords(camera) {
  const asked = camera.asked_us ? `Asked again at ${clock(camera.asked_us)}.` : "The box asks again and again.";
  return {
    words: `no picture since ${clock(camera.last_frame_us ?? camera.since_us)}`,
    detail: `${sentence(camera.message)} ${asked}`.trim(),
  };
}

// What the camera itself is doing, without a look at any picture.
export function cameraState(camera) {
  if (camera.by_client)
    return {
      kind: camera.state === "recording" ? "recorded" : "off",
      words: camera.state === "recording" ? "recording" : "not recording",
      detail: "",
    };
  if (camera.state === "off")
    return {
      kind: "off",
      words: "switched off",
      detail: "Nothing is recorded or shown live until recording is switched on again. What was recorded stays.",
    };
  if (camera.state === "lost") return { kind: "lost", ...lostWords(camera) };
  if (camera.state === "recording" && camera.masked_whole)
    return {
      kind: "whole",
      words: wholeWords(camera.masked_whole),
      detail: "Nobody can be seen in it, and nobody is found in it, until that is over.",
    };
  if (camera.state === "recording")
    return { kind: "live", words: camera.recording ? "recording" : "received, not recorded", detail: "" };
  return { kind: "connecting", words: "connecting", detail: "" };
}

// `player`: {state, why, blank_s, stalled_s}: what the player said last, for how long it has shown nothing and for how
// long the same picture though it is to play. `shown_us`: of the picture on screen, null for none.
// The answer: {kind, words, detail}; kind is one of live, whole, late, paused, recorded, waiting, connecting, none,
// unplayable, lost, off, away, ended. Only `live` and `whole` are pictures of the last seconds.
export function pictureState({ camera, player, shown_us, now_us, live, away = false }) {
  const of = shown_us === null ? "" : `The picture is of ${clock(shown_us)}.`;
  if (player.state === "unplayable") return { kind: "unplayable", words: "cannot be shown here", detail: player.why };
  if (player.state === "ended") return { kind: "ended", words: "ended", detail: player.why };
  if (away) return { kind: "away", words: "the box does not answer", detail: `${of} The page keeps trying.`.trim() };
  if (live) {
    const now = camera ? cameraState(camera) : null;
    if (now?.kind === "off" || now?.kind === "lost") return { ...now, detail: `${now.detail} ${of}`.trim() };
    if (shown_us !== null && player.state === "paused")
      return { kind: "paused", words: `paused at ${clock(shown_us)}`, detail: "" };
    if (shown_us !== null) {
      const old = age_s(shown_us, now_us, camera?.clock_offset_s);
      if (old > slack_s(camera?.rate_fps ?? 0)) {
        const slow =
          camera?.clock_offset_s < -CLOCK_S
            ? "The camera sends late, or its clock is slow."
            : player.state === "lost"
              ? sentence(player.why)
              : "Nothing newer has arrived.";
        return { kind: "late", words: `${span(old)} behind`, detail: `${slow} ${of}` };
      }
      if (now?.kind === "whole") return now;
      return { kind: "live", words: camera && !camera.recording ? "live, not recorded" : "live", detail: "" };
    }
  } else if (shown_us !== null) {
    if (player.stalled_s > PATIENCE_S)
      return {
        kind: "waiting",
        words: "nothing newer",
        detail: `${camera && camera.state !== "recording" ? "The recording ends here." : `No picture for ${span(player.stalled_s)}.`} ${of}`,
      };
    return { kind: "recorded", words: "recorded", detail: "" };
  }
  if (player.blank_s <= PATIENCE_S) return { kind: "connecting", words: "connecting…", detail: "" };
  return { kind: "none", words: `no picture for ${span(player.blank_s)}`, detail: blank(camera, player, live) };
}

function blank(camera, player, live) {
  if (player.why) return `${sentence(player.why)} The page asks again.`;
  if (!live) return "Nothing recorded at that time can be shown. Choose another one on the timeline.";
  if (camera?.state === "recording")
    return "The box records this camera, but its stream has no picture to begin with. Set it to send a key picture every few seconds.";
  return camera?.message
    ? sentence(camera.message)
    : "The camera has not sent anything yet. Check its power and its cable.";
}

export const isFresh = (kind) => kind === "live" || kind === "whole";
// What lies over the picture: where there is none, or an old one that must not be taken for a new one.
export const isCovered = (kind) => !["live", "whole", "recorded", "paused"].includes(kind);

// Shows what a worker opens, on a canvas, at the pace of the recording. To the rest of the page it is a Player.
import { now_us } from "../parts/api.js";
import { Watermark } from "../parts/watermark.js";

const WINDOW = 12; // pictures on their way or waiting
const GAP_US = 1.5e6; // a longer pause between pictures is a hole in the recording: go on behind it
const LATE_US = 0.7e6; // nothing new for so long: the clock waits for the next picture
const BEHIND_LIVE_US = 4e6;

export class CanvasPlayer {
  constructor(canvas, told, opener, { from_us, watermark }) {
    this.canvas = canvas;
    this.told = told;
    this.opener = opener;
    this.first_us = from_us;
    this.mark = new Watermark(watermark);
    this.queue = [];
    this.shown = null;
    this.wantsPlay = true;
    this.rate = 1;
    this.blank_ms = this.moved_ms = performance.now();
    this.beat = requestAnimationFrame(() => this.tick());
  }

  get isLive() {
    return false;
  }
  get paused() {
    return !this.wantsPlay;
  }
  get at_us() {
    return this.shown?.utc_us;
  }
  get blank_s() {
    return this.blank_ms === null ? 0 : (performance.now() - this.blank_ms) / 1000;
  }
  get stalled_s() {
    return !this.wantsPlay || this.blank_ms !== null ? 0 : (performance.now() - this.moved_ms) / 1000;
  }

  live() {
    this.wantsPlay = true;
    this.seek(now_us() - BEHIND_LIVE_US);
  }

  seek(at_us) {
    this.forget();
    this.wanted_us = at_us;
    this.over = null;
    this.blank_ms = this.moved_ms = performance.now();
    this.told({ state: "connecting" });
    // One person is found by where they are at one time, so that stream always begins there.
    this.opener.play(this, this.opener.point ? this.first_us : at_us);
    this.opener.more(WINDOW);
  }

  play() {
    this.wantsPlay = true;
    if (this.shown) this.start(this.shown.utc_us);
    this.say();
  }

  pause() {
    this.wantsPlay = false;
    this.say();
  }

  setRate(rate) {
    this.rate = rate;
    if (this.shown) this.start(this.shown.utc_us);
  }

  hear(picture) {
    this.queue.push(picture);
  }

  end({ code, why }) {
    this.over = { code, why };
  }

  start(utc_us) {
    this.base = { utc_us, ms: performance.now() };
  }

  tick() {
    this.beat = requestAnimationFrame(() => this.tick());
    const next = this.wanted_us === null ? this.due() : this.arriving();
    if (next) this.show(next);
    if (this.over && !this.queue.length && this.wanted_us === null) this.stop();
  }

  // The picture of the wanted time, once it can be told which one that is.
  arriving() {
    while (this.queue.length > 1 && this.queue[1].utc_us <= this.wanted_us) this.drop();
    const [first, second] = this.queue;
    if (!first) {
      if (this.over) this.stop();
      return null;
    }
    if (first.utc_us < this.wanted_us && !second && !this.over) return null;
    this.wanted_us = null;
    this.start(first.utc_us);
    return this.queue.shift();
  }

  due() {
    if (!this.wantsPlay || !this.base) return null;
    const now = this.base.utc_us + (performance.now() - this.base.ms) * 1000 * this.rate;
    while (this.queue.length > 1 && this.queue[1].utc_us <= now) this.drop();
    const [first] = this.queue;
    if (!first) {
      if (now > this.shown.utc_us + LATE_US * this.rate) {
        this.start(this.shown.utc_us);
        this.say("waiting");
      }
      return null;
    }
    if (first.utc_us > now + GAP_US) this.start(first.utc_us);
    else if (first.utc_us > now) return null;
    return this.queue.shift();
  }

  show({ frame, utc_us, revealed, reason }) {
    const { displayWidth: width, displayHeight: height } = frame;
    const { canvas } = this;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const pen = canvas.getContext("2d", { alpha: false });
    pen.drawImage(frame, 0, 0);
    frame.close();
    this.mark.draw(pen, width, height);
    canvas.dataset.us = utc_us;
    canvas.dataset.revealed = revealed ? "yes" : "no";
    this.shown = { utc_us, revealed, reason };
    this.blank_ms = null;
    this.moved_ms = performance.now();
    this.opener.more(1);
    this.say();
  }

  say(state = this.wantsPlay ? "playing" : "paused") {
    const reason = this.shown?.reason ?? "";
    if (state === this.said && reason === this.saidReason) return;
    this.said = state;
    this.saidReason = reason;
    this.told({ state, reason });
  }

  stop() {
    const { code, why } = this.over;
    this.over = null;
    this.told({ state: code === 1000 || code === 4001 ? "ended" : "lost", why: why || "The box closed the stream." });
  }

  drop() {
    this.queue.shift().frame.close();
    this.opener.more(1);
  }

  forget() {
    for (const { frame } of this.queue.splice(0)) frame.close();
    this.said = null;
  }

  close() {
    cancelAnimationFrame(this.beat);
    this.forget();
    if (this.opener.player === this) this.opener.player = null;
    this.canvas.width = this.canvas.width; // what was revealed is gone from the screen
  }
}

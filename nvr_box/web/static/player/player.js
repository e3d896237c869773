// Fragmented MP4 over a WebSocket into Media Source Extensions: live, replay and reveal are one path.
//
// The box sends pairs of messages: a JSON head {"utc", "media_s", "duration_s", "mime", "init"} and the bytes. The
// media timeline of the page counts seconds from the first part's UTC, so a gap in the recording is a gap in what is
// buffered, and the time of the picture on screen is origin + currentTime.
import { askWhoIsThere, seg, socketAddress } from "../parts/api.js";
import { iso, us } from "../parts/times.js";

const AHEAD_S = 12; // asked for beyond the picture on screen
const KEEP_S = 60; // kept behind it, so that a small step back needs no request
const LIVE_LAG_S = 3; // further behind than this, live catches up
const DRIFT_S = 0.5; // a camera clock that moved more than this starts a new offset
const RETRY_MS = 1500;
const BROKEN_RETRY_MS = 5000;
const CODECS = { avc1: "H.264", avc3: "H.264", hvc1: "H.265", hev1: "H.265", av01: "AV1" };

// "video/mp4; codecs="hvc1.1.6.L93"" in words.
const unplayable = (mime) =>
  `This browser does not play ${CODECS[/"(\w{4})/.exec(mime)?.[1]] ?? "this kind of"} video. It is recorded all the same; set the camera to H.264, or use another browser.`;

export class Player {
  // `told(event)` hears {state: "connecting" | "playing" | "paused" | "lost" | "unplayable" | "ended", why}.
  constructor(video, camera, told, { revealId = null } = {}) {
    this.video = video;
    this.camera = camera;
    this.told = told;
    this.revealId = revealId;
    this.rate = 1;
    this.wantsPlay = true; // a step in a paused picture stays paused, even where another stream has to be opened
    this.closed = false;
    this.onPause = () => this.told({ state: "paused" });
    this.onPlay = () => this.told({ state: "playing" });
    this.onTime = () => this.tick();
    this.onStill = () => {
      this.blank_ms = null;
      this.tick();
      if (video.paused) this.told({ state: "paused" });
    };
    this.onBroken = () => this.broken();
    video.addEventListener("pause", this.onPause);
    video.addEventListener("playing", this.onPlay);
    video.addEventListener("timeupdate", this.onTime);
    video.addEventListener("loadeddata", this.onStill);
    video.addEventListener("error", this.onBroken);
    this.timer = setInterval(() => this.tick(), 500);
  }

  live() {
    this.wanted_us = null;
    this.wantsPlay = true;
    this.blank_ms = null;
    this.open(null);
  }

  // Show the picture of `at_us`: out of what is buffered when it is there, else from the box.
  seek(at_us) {
    this.wanted_us = at_us;
    const at = this.origin_us === undefined ? -1 : (at_us - this.origin_us) / 1e6;
    if (!this.isLive && this.socket && this.holds(at)) {
      this.video.currentTime = at;
      this.ask();
    } else {
      this.blank_ms = null;
      this.open(at_us);
    }
  }

  get isLive() {
    return this.from_us === null;
  }
  get paused() {
    return this.video.paused;
  }

  // UTC of the picture on screen in microseconds; undefined before the first one.
  get at_us() {
    if (this.origin_us === undefined || !this.video.videoWidth) return undefined;
    return Math.round(this.origin_us + this.video.currentTime * 1e6);
  }

  // For how long there has been nothing to show, and for how long the same picture although it is to play.
  get blank_s() {
    return this.blank_ms === null ? 0 : (performance.now() - this.blank_ms) / 1000;
  }
  get stalled_s() {
    return this.video.paused || this.blank_ms !== null ? 0 : (performance.now() - this.moved_ms) / 1000;
  }

  // Why play() rejects (a newer load, no picture yet) is told by the events that follow.
  play() {
    this.wantsPlay = true;
    this.video.playbackRate = this.rate;
    this.video.play().catch(() => {});
  }
  pause() {
    this.wantsPlay = false;
    this.video.pause();
  }

  setRate(rate) {
    this.rate = rate;
    this.video.playbackRate = rate;
  }

  holds(at) {
    const ranges = this.video.buffered;
    for (let i = 0; i < ranges.length; i++) if (at >= ranges.start(i) - 0.05 && at < ranges.end(i) - 0.05) return true;
    return false;
  }

  open(from_us) {
    this.drop();
    this.from_us = from_us;
    this.origin_us = undefined;
    this.queue = [];
    this.blank_ms ??= performance.now();
    this.moved_ms = performance.now();
    this.told({ state: "connecting" });
    this.source = new MediaSource();
    this.url = URL.createObjectURL(this.source);
    this.video.src = this.url;
    const source = this.source;
    source.addEventListener(
      "sourceopen",
      () => {
        if (this.source === source) this.pump();
      },
      { once: true },
    );
    const asked = new URLSearchParams();
    if (from_us !== null) asked.set("from", iso(from_us));
    if (this.revealId) asked.set("reveal", this.revealId);
    const socket = new WebSocket(socketAddress(`/api/cameras/${seg(this.camera)}/stream?${asked}`));
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.hear(event.data);
    socket.onclose = (event) => {
      if (this.socket === socket) this.lost(event);
    };
    this.socket = socket;
    this.until_us = from_us === null ? null : from_us + AHEAD_S * 1e6;
    if (this.wantsPlay) this.play();
  }

  hear(data) {
    if (typeof data === "string") {
      const head = JSON.parse(data);
      if (head.end) {
        this.told({ state: "ended", why: head.end });
        return;
      }
      this.head = head;
      return;
    }
    this.queue.push({ ...this.head, utc_us: us(this.head.utc), data });
    this.pump();
  }

  pump() {
    if (this.closed || this.video.error || this.source.readyState !== "open" || !this.queue.length) return;
    if (!this.buffer) {
      const { mime } = this.queue[0];
      if (!MediaSource.isTypeSupported(mime)) {
        this.told({ state: "unplayable", why: unplayable(mime) });
        this.drop();
        return;
      }
      this.buffer = this.source.addSourceBuffer(mime);
      this.buffer.addEventListener("updateend", () => this.pump());
    }
    if (this.buffer.updating) return;
    if (this.forget()) return;
    const part = this.queue.shift();
    if (part.init && part.mime !== this.mime) {
      if (this.mime) this.buffer.changeType(part.mime);
      this.mime = part.mime;
    }
    if (this.origin_us === undefined) {
      this.origin_us = part.utc_us;
      if (this.until_us !== null) this.until_us = Math.max(this.until_us, part.utc_us + AHEAD_S * 1e6);
    }
    const offset = (part.utc_us - this.origin_us) / 1e6 - part.media_s;
    if (part.init || Math.abs(offset - this.buffer.timestampOffset) > DRIFT_S) this.buffer.timestampOffset = offset;
    try {
      this.buffer.appendBuffer(part.data);
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      this.queue.unshift(part);
      this.buffer.remove(0, Math.max(0.1, this.video.currentTime - 2));
    }
    this.tick();
  }

  // Give back what lies far behind; true when the buffer is busy with that.
  forget() {
    const { buffered, currentTime } = this.video;
    if (!buffered.length || buffered.start(0) > currentTime - 2 * KEEP_S) return false;
    this.buffer.remove(buffered.start(0), currentTime - KEEP_S);
    return true;
  }

  tick() {
    const { video } = this;
    if (video.currentTime !== this.moved_s) {
      this.moved_s = video.currentTime;
      this.moved_ms = performance.now();
    }
    if (this.closed || this.origin_us === undefined || !video.buffered.length) return;
    const ranges = video.buffered;
    const end = ranges.end(ranges.length - 1);
    if (this.isLive) {
      if (!video.paused && end - video.currentTime > LIVE_LAG_S) video.currentTime = end - 0.5;
      else video.playbackRate = !video.paused && end - video.currentTime > 1.2 ? 1.1 : 1;
    } else {
      if (this.wanted_us !== null && this.wanted_us !== undefined) this.arrive();
      this.ask();
    }
    this.jumpGap();
  }

  // The parts begin at a key frame before the wanted time: go to the wanted picture once it is there.
  arrive() {
    const at = (this.wanted_us - this.origin_us) / 1e6;
    if (at <= 0) {
      this.wanted_us = null;
      return;
    }
    if (!this.holds(at)) return;
    if (Math.abs(this.video.currentTime - at) > 0.02) this.video.currentTime = at;
    this.wanted_us = null;
  }

  // Playing into a gap goes on behind it.
  jumpGap() {
    const { video } = this;
    const ranges = video.buffered;
    if (video.readyState > 2 || video.seeking) return;
    for (let i = 0; i < ranges.length; i++) {
      const start = ranges.start(i);
      if (start > video.currentTime && !this.holds(video.currentTime)) {
        video.currentTime = start + 0.001;
        return;
      }
    }
  }

  ask() {
    const wanted = (this.at_us ?? this.from_us) + AHEAD_S * 1e6 * Math.max(1, this.rate);
    if (wanted < this.until_us + 2e6 || this.socket?.readyState !== WebSocket.OPEN) return;
    this.until_us = wanted;
    this.socket.send(JSON.stringify({ until: iso(wanted) }));
  }

  lost(event) {
    if (event.code === 4001 && !this.revealId) askWhoIsThere(); // the session is over: the page says so as a whole
    if (event.code === 4001) {
      this.told({ state: "ended", why: event.reason });
      return;
    }
    this.told({ state: "lost", why: event.reason || "The box closed the stream." });
    if (event.code >= 4000) return; // refused: asking again would be refused again
    const again_us = this.isLive ? null : (this.at_us ?? this.from_us);
    this.retry = setTimeout(() => {
      if (!this.closed) this.open(again_us);
    }, RETRY_MS);
  }

  // The browser gave up on what it was given: perhaps one damaged picture, perhaps all of them.
  broken() {
    if (this.closed || !this.url) return;
    const again_us = this.isLive ? null : (this.at_us ?? this.from_us);
    this.told({
      state: "unplayable",
      why: "This browser could not decode the picture. It tries again every five seconds.",
    });
    this.drop();
    this.retry = setTimeout(() => {
      if (!this.closed) this.open(again_us);
    }, BROKEN_RETRY_MS);
  }

  drop() {
    clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.buffer = null;
    this.mime = null;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    this.drop();
    this.video.removeEventListener("pause", this.onPause);
    this.video.removeEventListener("playing", this.onPlay);
    this.video.removeEventListener("timeupdate", this.onTime);
    this.video.removeEventListener("loadeddata", this.onStill);
    this.video.removeEventListener("error", this.onBroken);
    this.video.removeAttribute("src");
    this.video.load();
  }
}

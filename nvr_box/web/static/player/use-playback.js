// What can be done with the stream of a picture: seek, step, faster, back to live.
import { useState } from "../parts/html.js";
import { attempt, get, now_us, seg } from "../parts/api.js";
import { iso, us } from "../parts/times.js";

const FRAME_US = 1e6 / 25;
const SPEEDS = [1, 2, 4, 8];

// `one`: the camera as the box lists it; `frozen` is given up by everything that moves the picture.
export function usePlayback(player, { camera, one, revealed, live, setLive, frozen, setFrozen, onLive }) {
  const [speed, setSpeed] = useState(1);
  const goLive = () => {
    if (one?.by_client) return;
    setFrozen(null);
    setSpeed(1);
    player.current.setRate(1);
    if (revealed) {
      player.current.seek(now_us() - 4e6);
      return;
    }
    setLive(true);
    player.current.live();
    onLive?.();
  };
  const seek = (to_us) => {
    setFrozen(null);
    const edge = now_us() - 1e6;
    if (to_us >= edge && !revealed && !one?.by_client) {
      goLive();
      return;
    }
    setLive(false);
    player.current.seek(Math.min(to_us, edge));
  };
  const faster = () => {
    const next = player.current.paused || live ? 1 : SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + 1)];
    setSpeed(next);
    player.current.setRate(next);
    player.current.play();
  };
  const toggle = () => {
    if (frozen) {
      setFrozen(null);
      player.current.play();
      return;
    }
    if (player.current.paused) player.current.play();
    else player.current.pause();
  };
  const step = (by_us) => {
    const now = player.current.at_us;
    if (now !== undefined) seek(now + by_us);
  };
  const stepFrame = (direction) => {
    player.current.pause();
    step(direction * FRAME_US);
  };
  const stepPassage = async (direction) => {
    const now = player.current.at_us;
    if (now === undefined) return;
    const from_us = Math.round(now + direction * 0.7e6);
    const { first = null } =
      (await attempt(() =>
        get(`/api/cameras/${seg(camera)}/beside?at=${seg(iso(from_us))}&later=${direction > 0 ? "yes" : "no"}`),
      )) ?? {};
    if (first) seek(us(first));
  };
  return { speed, goLive, seek, faster, toggle, step, stepFrame, stepPassage };
}

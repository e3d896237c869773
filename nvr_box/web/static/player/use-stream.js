// The stream behind a picture: opened for a camera or for a reveal of it, closed with the picture.
import { useEffect, useRef, useState } from "../parts/html.js";
import { CanvasPlayer } from "./canvas-player.js";
import { Player } from "./player.js";
import { openerOf } from "../parts/reveal-worker.js";

/**
 * @param {string} camera
 * @param {{ id: string, in_browser: boolean, from_us: number, watermark: string } | null} revealed
 * @param {number | null} at where playback begins in UTC microseconds; null for live
 * @param {{ player: { current: any }, video: { current: any }, canvas: { current: any } }} refs `player` is set here
 */
export function useStream(camera, revealed, at, { player, video, canvas }) {
  const left_us = useRef(null); // where a reveal stood when it ended: the masked picture goes on from there
  const [state, setState] = useState(
    /** @type {{ state: string, why?: string, reason?: string }} */ ({ state: "connecting" }),
  );
  const [shown, setShown] = useState(null); // UTC of the picture, twice a second
  const [live, setLive] = useState(at === null);

  // While another stream is on the way, the time of the last picture is no picture's.
  const onEvent = (event) => {
    setState(event);
    if (event.state === "connecting") setShown(null);
  };
  useEffect(() => {
    player.current = revealed?.in_browser
      ? new CanvasPlayer(canvas.current, onEvent, openerOf(revealed.id), revealed)
      : new Player(video.current, camera, onEvent, { revealId: revealed?.id });
    const from_us = revealed ? revealed.from_us : (left_us.current ?? at);
    left_us.current = null;
    if (from_us === null || from_us === undefined) player.current.live();
    else player.current.seek(from_us);
    setLive(player.current.isLive);
    const showTime = () => setShown(player.current.at_us ?? null);
    const beat = setInterval(showTime, 500);
    const screen = video.current;
    screen.addEventListener("seeked", showTime);
    screen.addEventListener("loadeddata", showTime);
    return () => {
      clearInterval(beat);
      screen.removeEventListener("seeked", showTime);
      screen.removeEventListener("loadeddata", showTime);
      if (revealed) left_us.current = player.current.at_us ?? revealed.from_us;
      player.current.close();
    };
  }, [camera, revealed?.id]);
  return { state, shown, live, setLive };
}

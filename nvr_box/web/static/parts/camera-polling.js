// The camera list, fetched again every few seconds; being away is said once and taken back when it is over.
import { get, Refused } from "./api.js";
import { away, boxNotices, cameras, settle, tell } from "./store.js";
import { us } from "./times.js";

const EVERY_MS = 3000;
const maybe = (text) => (text ? us(text) : null);

export async function refreshCameras() {
  try {
    const answer = await get("/api/cameras");
    settle("away");
    away.set(false);
    boxNotices.set(answer.notices ?? []);
    cameras.set(
      answer.cameras.map((camera) => ({
        ...camera,
        since_us: us(camera.since),
        added_us: us(camera.added),
        oldest_us: maybe(camera.oldest),
        last_frame_us: maybe(camera.last_frame),
        asked_us: maybe(camera.asked),
      })),
    );
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    away.set(error.status === 0);
    if (error.status === 401) return;
    tell(
      error.message,
      error.status === 0
        ? {
            works: "Recording goes on without this page.",
            todo: "Check the network; the page keeps trying.",
            key: "away",
          }
        : { works: "What is shown of the cameras may be old.", key: "away" },
    );
  }
}

export function followCameras() {
  refreshCameras();
  const timer = setInterval(refreshCameras, EVERY_MS);
  return () => clearInterval(timer);
}

// The webcam: one frame on its way at a time, the next as soon as the gateway has answered.

import { detect } from "./gateway.js";
import { jpeg, scaled } from "./image.js";

const FRAME_SIDE = 640;
const RATE_SECONDS = 3; // over which frames a second are counted

let stream = null;

export function isLive() {
  return stream !== null;
}

// Shows the webcam in `video`. Gives null, or why there is none: { title, detail }.
export async function openWebcam(video) {
  const media = navigator.mediaDevices;
  if (!media) return { title: "The webcam needs HTTPS", detail: "Browsers allow it on https:// addresses and on localhost." };
  try {
    stream = await media.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
  } catch (error) {
    return REFUSALS[error.name] ?? { title: "The webcam does not start", detail: error.message };
  }
  stream.getVideoTracks()[0].addEventListener("ended", closeWebcam);
  video.srcObject = stream;
  await video.play();
  return null;
}

const REFUSALS = {
  NotAllowedError: { title: "The webcam is blocked", detail: "Allow it for this page in your browser, then try again." },
  NotFoundError: { title: "No webcam found", detail: "Connect one, then try again." },
  NotReadableError: { title: "The webcam is busy", detail: "Close the other application that uses it, then try again." },
};

export function closeWebcam() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
}

// Calls `tell` with { blob, answer, elapsed, rate } for each frame until the webcam is closed.
// Gives the problem that ended it, or null.
export async function follow(video, model, tell) {
  const mine = stream;
  const answered = [];
  while (stream === mine && mine) {
    if (document.hidden) {
      await pause(0.5);
      continue;
    }
    const blob = await frame(video);
    const result = await detect(blob, "webcam.jpg", model());
    if (stream !== mine) break;
    if (!result.problem) tell({ ...result, blob, rate: rate(answered) });
    else if (result.problem.retryable) await pause(result.problem.wait);
    else return result.problem;
  }
  return null;
}

function frame(video) {
  const { videoWidth: width, videoHeight: height } = video;
  return jpeg(scaled(video, width, height, Math.min(1, FRAME_SIDE / Math.max(width, height))), 0.85);
}

function rate(answered) {
  const now = performance.now() / 1000;
  answered.push(now);
  while (answered[0] < now - RATE_SECONDS) answered.shift();
  return answered.length < 2 ? null : (answered.length - 1) / (now - answered[0]);
}

function pause(seconds) {
  return new Promise((done) => setTimeout(done, 1000 * seconds));
}

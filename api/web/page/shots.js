// The images that were added: each has a file, a thumbnail, and in time a result or a problem.

import { detect } from "./gateway.js";
import { load, scaled, sendable } from "./image.js";
import { filtered } from "./filter.js";

const THUMBNAIL = 144; // pixels
const UNREADABLE = { title: "This file cannot be read", detail: "It may be a folder, or have been moved or deleted." };
const byId = (id) => document.getElementById(id);

export function newShot(file, select) {
  const shot = { file, name: file.name, button: document.createElement("button") };
  const [item, badge] = ["li", "span"].map((name) => document.createElement(name));
  badge.textContent = "…";
  shot.button.append(badge);
  shot.button.setAttribute("aria-label", file.name);
  shot.button.title = file.name;
  shot.button.addEventListener("click", () => select(shot));
  item.append(shot.button);
  byId("film").append(item);
  return shot;
}

export function dropShot(shot) {
  shot.button.parentElement.remove();
}

// The pixels are decoded once, and let go when another image is shown: fifty of them would fill the memory.
export function pixels(shot) {
  shot.loaded ??= load(shot.file).then((loaded) => withThumbnail(shot, loaded), () => ({ canvas: null, unreadable: true }));
  return shot.loaded;
}

export function letGo(shot) {
  shot.loaded = null;
}

function withThumbnail(shot, loaded) {
  const { canvas } = loaded;
  if (canvas && shot.button.childElementCount === 1)
    shot.button.prepend(scaled(canvas, canvas.width, canvas.height, THUMBNAIL / Math.min(canvas.width, canvas.height)));
  return loaded;
}

// { answer, elapsed, sent } or { problem }; `sent` is the size where the image was scaled down.
export async function ask(shot, card, model, tiles) {
  const loaded = await pixels(shot);
  if (loaded.unreadable) return { problem: UNREADABLE };
  const { blob, size } = await sendable(shot.file, loaded, card);
  const result = await detect(blob, shot.name, model, tiles);
  if (!result.answer || !size) return { ...result, sent: null };
  return { ...result, answer: inPixelsOf(loaded, result.answer), sent: size };
}

function inPixelsOf({ width, height }, answer) {
  const across = width / answer.image.width;
  const down = height / answer.image.height;
  const detections = answer.detections.map((one) => ({ ...one, box: stretched(one.box, across, down) }));
  return { ...answer, image: { ...answer.image, width, height }, detections };
}

function stretched({ x_min, y_min, x_max, y_max }, across, down) {
  const tenths = (pixels) => Math.round(10 * pixels) / 10;
  return {
    x_min: tenths(across * x_min), y_min: tenths(down * y_min), x_max: tenths(across * x_max), y_max: tenths(down * y_max),
  };
}

// On its thumbnail: how many detections pass the filter.
export function note(shot) {
  const found = shot.answer ? filtered(shot.answer.detections).length : shot.problem ? "!" : "…";
  shot.button.lastElementChild.textContent = found;
  shot.button.setAttribute("aria-label", `${shot.name}: ${shot.answer ? `${found} found` : shot.problem ? "error" : "in progress"}`);
}

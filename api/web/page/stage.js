// The image with its overlay: as large as the window allows, and larger where it is zoomed.

import { drawOverlay, overlayImage } from "./overlay.js";

const LARGEST_ZOOM = 8;
const byId = (id) => document.getElementById(id);
const wide = matchMedia("(min-width: 64rem)");

let shown = null; // { image: { width, height }, detections }
let zoom = 1;

// The upright pixels of an image of this size; without a canvas there is a blank plate for them.
export function showImage(image, canvas, name) {
  byId("image").replaceWith(canvas ?? document.createElement("canvas"));
  const drawn = byId("frame").firstElementChild;
  drawn.id = "image";
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", name);
  show(image, false);
}

export function showVideo(image) {
  show(image, true);
}

function show(image, live) {
  zoom = 1;
  shown = { image, detections: [] };
  byId("frame").hidden = false;
  byId("video").hidden = !live;
  byId("image").hidden = live;
  redraw();
}

export function showNothing() {
  shown = null;
  byId("frame").hidden = true;
}

// Boxes are in pixels of `image`, which may be another size than the one that is shown.
export function showDetections(detections, image, spoken) {
  if (!shown) return;
  shown = { image, detections };
  byId("image").setAttribute("aria-label", spoken);
  redraw();
}

export function redraw() {
  if (!shown) return;
  const size = displayed(shown.image);
  for (const side of ["width", "height"]) byId("frame").style[side] = `${size[side]}px`;
  byId("stage").classList.toggle("zoomed", zoom > 1);
  byId("zoom-fit").textContent = zoom > 1 ? `${Math.round(100 * zoom)} %` : "Fit";
  byId("zoom-fit").setAttribute("aria-label", zoom > 1 ? `${Math.round(100 * zoom)} %, fit to window` : "Fit to window");
  drawOverlay(byId("overlay"), shown.detections, shown.image, size, byId("stage").clientWidth < 500 ? 10 : 13);
}

function displayed({ width, height }) {
  const { clientWidth, clientHeight } = byId("stage");
  const tall = wide.matches ? clientHeight : 0.72 * innerHeight;
  const scale = zoom * Math.min(clientWidth / width, tall / height);
  return { width: width * scale, height: height * scale };
}

// The middle stays where it is.
export function zoomBy(factor) {
  if (!shown) return;
  const stage = byId("stage");
  const across = (stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth;
  const down = (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight;
  zoom = factor === 0 ? 1 : Math.max(1, Math.min(LARGEST_ZOOM, zoom * factor));
  if (zoom < 1.05) zoom = 1;
  redraw();
  stage.scrollTo(across * stage.scrollWidth - stage.clientWidth / 2, down * stage.scrollHeight - stage.clientHeight / 2);
}

// The image with what is drawn on it, as JPEG.
export async function annotated() {
  const pixels = byId("image");
  const canvas = Object.assign(document.createElement("canvas"), { width: pixels.width, height: pixels.height });
  const text = Math.max(12, Math.sqrt(canvas.width * canvas.height) / 45);
  const pen = canvas.getContext("2d");
  pen.drawImage(pixels, 0, 0);
  pen.drawImage(await overlayImage(shown.detections, shown.image, canvas, text), 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
}

// Marks a detection on the image and in the table; null marks none.
export function mark(index) {
  for (const one of document.querySelectorAll("[data-index]")) one.classList.toggle("marked", one.dataset.index === index);
}

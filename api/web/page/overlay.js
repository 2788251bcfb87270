// Boxes and captions as SVG: the same on the screen and in the image that is downloaded.

import { place } from "./captions.js";
import { colourOf } from "./colours.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const ruler = document.createElement("canvas").getContext("2d");

// Fills `svg`, which is drawn `size` large over an image; `text` is the height of letters in the same pixels.
export function drawOverlay(svg, detections, image, size, text) {
  const boxes = detections.map((one) => scaledBox(one.box, size.width / image.width, size.height / image.height));
  const captions = detections.map((one) => `${one.label} ${one.score.toFixed(2)}`);
  const plates = place(boxes, captions.map((caption) => plateSize(caption, text)), size);
  const line = Math.max(1.5, text / 6);
  const outlines = detections.map((one, index) => outline(one, index, boxes[index], line));
  const labels = detections.map((one, index) => label(one, index, captions[index], plates[index] ?? corner(boxes[index]), text));
  labels.forEach((element, index) => element.classList.toggle("crowded", !plates[index]));
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.setAttribute("width", size.width);
  svg.setAttribute("height", size.height);
  svg.replaceChildren(...bySize(outlines, boxes), ...labels.toReversed());
}

// The same as an image, for a canvas.
export async function overlayImage(detections, image, size, text) {
  const svg = element("svg", { xmlns: NAMESPACE });
  drawOverlay(svg, detections, image, size, text);
  for (const crowded of svg.querySelectorAll(".crowded")) crowded.remove();
  const drawn = new Image();
  drawn.src = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" }));
  await drawn.decode();
  URL.revokeObjectURL(drawn.src);
  return drawn;
}

function scaledBox({ x_min, y_min, x_max, y_max }, across, down) {
  return { left: x_min * across, top: y_min * down, right: x_max * across, bottom: y_max * down };
}

function plateSize(caption, text) {
  ruler.font = `600 ${text}px ${FONT}`;
  return { width: ruler.measureText(caption).width + 0.9 * text, height: 1.55 * text };
}

function corner({ left, top }) {
  return { left, top };
}

// Small boxes lie on top of large ones, so that each can be pointed at.
function bySize(outlines, boxes) {
  const area = ({ left, top, right, bottom }) => (right - left) * (bottom - top);
  return outlines.map((_, index) => index).sort((a, b) => area(boxes[b]) - area(boxes[a])).map((index) => outlines[index]);
}

function outline(one, index, { left, top, right, bottom }, line) {
  const group = element("g", { class: "box", "data-index": index, opacity: strength(one.score) });
  const place = { x: left, y: top, width: right - left, height: bottom - top, rx: line };
  group.append(
    element("rect", { ...place, fill: "none", stroke: "black", "stroke-opacity": 0.6, "stroke-width": 2 * line }),
    element("rect", { ...place, class: "edge", fill: "none", stroke: colourOf(one), "stroke-width": line }),
  );
  return group;
}

function label(one, index, caption, { left, top }, text) {
  const group = element("g", { class: "caption", "data-index": index, opacity: strength(one.score) });
  const { width, height } = plateSize(caption, text);
  const letters = element("text", {
    x: left + 0.45 * text, y: top + 1.13 * text, fill: "black", "font-family": FONT, "font-size": text, "font-weight": 600,
  });
  letters.textContent = caption;
  group.append(element("rect", { x: left, y: top, width, height, rx: text / 5, fill: colourOf(one) }), letters);
  return group;
}

// From half on, boxes are drawn in full; below they fade.
export function strength(score) {
  return Math.min(1, 0.3 + 1.4 * score).toFixed(2);
}

function element(name, attributes) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

// Files to pixels: upright as the gateway sees them, and no larger than it accepts.

import { inspect } from "./exif.js";

const VIEW_SIDE = 4096; // of the canvas that is shown; larger ones fail on phones
const SENT_SIDE = 2048; // of an image that has to be scaled down: a detector resizes to far less
const MULTIPART_BYTES = 1024; // what a form adds to its file

// By EXIF orientation, the canvas transform that turns a stored image of this size upright.
const TURNS = {
  1: () => [1, 0, 0, 1, 0, 0],
  2: (width) => [-1, 0, 0, 1, width, 0],
  3: (width, height) => [-1, 0, 0, -1, width, height],
  4: (_, height) => [1, 0, 0, -1, 0, height],
  5: () => [0, 1, 1, 0, 0, 0],
  6: (_, height) => [0, 1, -1, 0, height, 0],
  7: (width, height) => [0, -1, -1, 0, height, width],
  8: (width) => [0, -1, 1, 0, 0, width],
};

// { format, width, height, canvas }: the size is the upright original's; canvas is null where this browser cannot decode it.
export async function load(file) {
  const { format, orientation, at } = inspect(await file.arrayBuffer());
  // This copy says that it is upright, so no browser turns it, and turning it here is right in all of them.
  const stored = orientation === 1 ? file : new Blob([file.slice(0, at), Uint8Array.of(1), file.slice(at + 1)]);
  const bitmap = await createImageBitmap(stored).catch(() => null);
  if (!bitmap) return { format, width: 0, height: 0, canvas: null };
  const [width, height] = orientation < 5 ? [bitmap.width, bitmap.height] : [bitmap.height, bitmap.width];
  const canvas = turned(bitmap, orientation, Math.min(1, VIEW_SIDE / Math.max(width, height)));
  bitmap.close();
  return { format, width, height, canvas };
}

function turned(bitmap, orientation, scale) {
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = newCanvas(...(orientation < 5 ? [width, height] : [height, width]));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // as the gateway shows what is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.setTransform(...TURNS[orientation](width, height));
  pen.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

export function scaled(source, width, height, scale) {
  const canvas = newCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function newCanvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

export function jpeg(canvas, quality = 0.9) {
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
}

// { blob, size }: the file itself where the gateway accepts it, else a smaller JPEG of it and its size.
export async function sendable(file, loaded, { limits, formats }) {
  const { format, width, height, canvas } = loaded;
  const bytes = limits.max_body_bytes - MULTIPART_BYTES;
  const largest = Math.min(1, limits.max_side / Math.max(width, height), Math.sqrt(limits.max_pixels / (width * height)));
  const accepted = formats.includes(format) && file.size <= bytes && largest === 1;
  if (accepted || !canvas) return { blob: file, size: null };
  for (let scale = Math.min(largest, SENT_SIDE / Math.max(width, height)); ; scale *= 0.7) {
    const smaller = scaled(canvas, width, height, scale);
    const blob = await jpeg(smaller);
    if (blob.size <= bytes || Math.max(smaller.width, smaller.height) < 64) return { blob, size: [smaller.width, smaller.height] };
  }
}

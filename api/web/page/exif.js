// Finds a file's EXIF orientation. The gateway turns JPEG, PNG and WebP by it and by nothing else; browsers turn only some.

const ORIENTATION = 0x0112;
const BYTES = { 1: 1, 3: 2, 4: 4 }; // of a value, by its TIFF type

// { format, orientation, at }: format is null where it is none of the three, `at` is the byte that holds the orientation.
export function inspect(buffer) {
  const view = new DataView(buffer);
  try {
    const format = formatOf(view);
    return { format, ...upright, ...orientationIn(view, FINDERS[format]?.(view)) };
  } catch {
    return { format: headOf(view), ...upright };
  }
}

const upright = { orientation: 1, at: null };
const FINDERS = { jpeg: inJpeg, png: inPng, webp: inWebp };

function formatOf(view) {
  if (view.getUint16(0) === 0xffd8) return "jpeg";
  if (view.getUint32(0) === 0x89504e47) return "png";
  return ascii(view, 0, 4) === "RIFF" && ascii(view, 8, 4) === "WEBP" ? "webp" : null;
}

function headOf(view) {
  return view.byteLength < 12 ? null : formatOf(view);
}

function ascii(view, at, length) {
  return Array.from({ length }, (_, index) => String.fromCharCode(view.getUint8(at + index))).join("");
}

// Each finder gives the place where EXIF's TIFF header begins; reading past the end throws, and means that there is none.
function inJpeg(view) {
  for (let at = 2; ; ) {
    while (view.getUint8(at) !== 0xff || view.getUint8(at + 1) === 0xff) at++; // fill bytes
    const marker = view.getUint8(at + 1);
    if (marker === 0xda) return null; // pixels follow
    if (marker === 0xe1 && ascii(view, at + 4, 6) === "Exif\0\0") return at + 10;
    at += 2 + view.getUint16(at + 2);
  }
}

function inPng(view) {
  for (let at = 8; ; at += 12 + view.getUint32(at)) if (ascii(view, at + 4, 4) === "eXIf") return at + 8;
}

function inWebp(view) {
  for (let at = 12; ; ) {
    const size = view.getUint32(at + 4, true);
    if (ascii(view, at, 4) === "EXIF") return ascii(view, at + 8, 4) === "Exif" ? at + 14 : at + 8;
    at += 8 + size + (size % 2);
  }
}

function orientationIn(view, tiff) {
  if (!tiff) return {};
  const little = ascii(view, tiff, 2) === "II";
  const directory = tiff + view.getUint32(tiff + 4, little);
  for (let entry = directory + 2, left = view.getUint16(directory, little); left--; entry += 12) {
    if (view.getUint16(entry, little) !== ORIENTATION) continue;
    const bytes = BYTES[view.getUint16(entry + 2, little)] ?? 2;
    const at = entry + 8 + (little ? 0 : bytes - 1);
    const orientation = view.getUint8(at);
    return orientation >= 1 && orientation <= 8 ? { orientation, at } : {};
  }
  return {};
}

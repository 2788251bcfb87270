// Where each box's caption goes: beside the boxes rather than on them, off faces, and never on another caption.

const FACE = 0.4; // the upper part of a box, where a person's face is

// Boxes and sizes in pixels of the drawing, the most important first. Null for a caption that has no room.
export function place(boxes, sizes, frame) {
  const placed = [];
  return boxes.map((box, index) => {
    const free = spots(box, sizes[index], frame).filter((spot) => placed.every((other) => shared(spot, other) === 0));
    const costs = free.map((spot, order) => cost(spot, boxes) + order / 100);
    const best = free[costs.indexOf(Math.min(...costs))] ?? null;
    if (best) placed.push(best);
    return best;
  });
}

// Above, below, beside, and last inside at the bottom; always within the frame.
function spots({ left, top, right, bottom }, { width, height }, frame) {
  const within = (x) => Math.max(0, Math.min(x, frame.width - width));
  const candidates = [
    [within(left), top - height],
    [within(right - width), top - height],
    [within(left), bottom],
    [within(right - width), bottom],
    [right, top],
    [left - width, top],
    [within(left), bottom - height],
    [within(right - width), bottom - height],
    [within((left + right - width) / 2), Math.min(bottom, frame.height) - height],
  ];
  return candidates
    .map(([x, y]) => ({ left: x, top: y, right: x + width, bottom: y + height }))
    .filter((spot) => spot.left >= 0 && spot.right <= frame.width + 1 && spot.top >= 0 && spot.bottom <= frame.height);
}

// What the caption would hide, as parts of its own area; a face counts five times.
function cost(spot, boxes) {
  const area = (spot.right - spot.left) * (spot.bottom - spot.top);
  const hidden = boxes.map((box) => shared(spot, box) + 4 * shared(spot, face(box)));
  return hidden.reduce((sum, one) => sum + one, 0) / area;
}

function face(box) {
  return { ...box, bottom: box.top + FACE * (box.bottom - box.top) };
}

function shared(one, other) {
  const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  return width > 0 && height > 0 ? width * height : 0;
}

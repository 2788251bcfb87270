// A colour for each label, the same as long as the page is open. Black reads on all of them.

// As the gateway draws them, by class; and more, for where two classes on the page have the same.
const COLOURS = ["#ffd400", "#35e0ff", "#ff7ac6", "#8cff66", "#ff9c42", "#c8a6ff", "#ffffff", "#66ffd0"];
const MORE_COLOURS = ["#ff8a80", "#9fc5ff", "#d9e65c", "#e8b98a"];
const given = new Map();

// A class's own colour where no other label has it yet, else the next free one, else one of as many hues as it takes.
export function colourOf({ label, class_id }) {
  if (!given.has(label)) given.set(label, freeColour(class_id) ?? `hsl(${(class_id * 137.5) % 360} 85% 72%)`);
  return given.get(label);
}

function freeColour(classId) {
  const first = classId % COLOURS.length;
  const taken = new Set(given.values());
  return [...COLOURS.slice(first), ...COLOURS, ...MORE_COLOURS].find((colour) => !taken.has(colour));
}

// Numbers of things, in English.

const IRREGULAR = {
  person: "people",
  man: "men",
  woman: "women",
  child: "children",
  mouse: "mice",
  knife: "knives",
  foot: "feet",
  tooth: "teeth",
};
const UNCHANGED = new Set(["sheep", "skis", "scissors", "broccoli", "fish", "deer", "aircraft"]);

export function plural(label) {
  const [, before, noun] = label.match(/^(.*[ _-])?(.+)$/) ?? [null, "", label];
  return (before ?? "") + pluralNoun(noun);
}

function pluralNoun(noun) {
  if (IRREGULAR[noun]) return IRREGULAR[noun];
  if (UNCHANGED.has(noun)) return noun;
  if (/(s|x|z|ch|sh)$/.test(noun)) return `${noun}es`;
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return `${noun}s`;
}

function counted(number, label) {
  return `${number} ${number === 1 ? label : plural(label)}`;
}

// "6 people, 1 sports ball": the most frequent first, the last ones summed up.
export function tally(detections, most = 4) {
  const counts = Map.groupBy(detections, (one) => one.label);
  const parts = [...counts].sort((a, b) => b[1].length - a[1].length).map(([label, found]) => counted(found.length, label));
  const rest = parts.length - most;
  return rest > 1 ? `${parts.slice(0, most).join(", ")} and ${rest} more labels` : parts.join(", ");
}

export function milliseconds(number) {
  return number < 10 ? `${number.toFixed(1)} ms` : number < 1000 ? `${number.toFixed(0)} ms` : `${(number / 1000).toFixed(1)} s`;
}

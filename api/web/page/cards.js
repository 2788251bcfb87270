// The models that the gateway serves: the list of them, the chosen one and its card.

import { setThreshold } from "./filter.js";
import { fact } from "./panel.js";
import { plural } from "./words.js";

const byId = (id) => document.getElementById(id);
let cards = []; // what the gateway says of its models, the default first

export function areKnown() {
  return cards.length > 0;
}

export function offer(models) {
  cards = models;
  byId("chosen").replaceChildren(...cards.map(({ name }) => new Option(name)));
  for (const element of [byId("chosen"), byId("chosen").labels[0]]) element.hidden = cards.length < 2;
  introduce();
}

// Null for the first, which needs no name.
export function chosen() {
  return byId("chosen").selectedIndex > 0 ? byId("chosen").value : null;
}

export function card() {
  return cards[Math.max(0, byId("chosen").selectedIndex)];
}

export function introduce() {
  byId("about").hidden = false;
  byId("about").textContent = cards.length > 1 ? "Model card" : `Model: ${card().name}`;
  setThreshold(card().min_score);
  offerSamples(card().labels);
}

// Those that show what the model can find, where it can find any of it.
function offerSamples(labels) {
  const samples = [...document.querySelectorAll("[data-sample]")];
  const fitting = samples.filter((one) => labels.includes(one.dataset.labels));
  for (const one of samples) one.parentElement.hidden = fitting.length > 0 && !fitting.includes(one);
}

export function showCard() {
  const { name, version, labels, input_size, fit, min_score, formats, limits } = card();
  const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 1 });
  const size = `${number(limits.max_body_bytes / 2 ** 20)} MiB, ${number(limits.max_pixels / 1e6)} megapixels, ${number(limits.max_side)} pixels a side`;
  byId("card-title").textContent = name;
  byId("card-facts").replaceChildren(
    ...(version ? [fact("Version", version)] : []),
    fact("Finds", labels.length > 1 ? `${labels.length} labels: ${labels.join(", ")}` : plural(labels[0])),
    fact("Input size", `${input_size} × ${input_size}, ${fit === "pad" ? "letterbox" : "stretched"}`),
    fact("Default confidence threshold", min_score.toFixed(2)),
    fact("Formats", formats.join(", ").toUpperCase()),
    fact("Limits", size),
  );
  byId("card-json").href = chosen() ? `model?${new URLSearchParams({ model: chosen() })}` : "model";
  byId("card").showModal();
}

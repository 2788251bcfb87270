// Which detections are shown: the confidence threshold, and the labels that are switched off.

import { colourOf } from "./colours.js";

const byId = (id) => document.getElementById(id);
const off = new Set();

export function threshold() {
  return Number(byId("score").value);
}

export function setThreshold(score) {
  byId("score").value = score;
}

export function filtered(detections) {
  return overThreshold(detections).filter((one) => !off.has(one.label));
}

function overThreshold(detections) {
  return detections.filter((one) => one.score >= threshold());
}

// The parameters of a request that gives what is shown; labels only where some are switched off.
export function parameters(detections) {
  const labels = labelsOf(overThreshold(detections));
  const shown = labels.filter((label) => !off.has(label));
  return { min_score: threshold(), labels: shown.length < labels.length ? shown : null };
}

function labelsOf(detections) {
  return [...new Set(detections.map((one) => one.label))].sort();
}

// A switch for each label over the threshold; kept where they stay the same, so that the focus does too.
export function listLabels(detections, changed) {
  const found = Map.groupBy(overThreshold(detections), (one) => one.label);
  const labels = [...found.keys()].sort();
  const group = byId("labels");
  if (labels.join("\n") !== [...group.children].map((element) => element.dataset.label).join("\n"))
    group.replaceChildren(...labels.map((label) => labelSwitch(found.get(label)[0], changed)));
  for (const element of group.children) {
    element.querySelector("input").checked = !off.has(element.dataset.label);
    element.querySelector("span").textContent = found.get(element.dataset.label).length;
  }
  group.hidden = labels.length === 0;
}

function labelSwitch(one, changed) {
  const [element, box, count] = ["label", "input", "span"].map((name) => document.createElement(name));
  element.dataset.label = one.label;
  element.style.setProperty("--colour", colourOf(one));
  box.type = "checkbox";
  box.addEventListener("change", () => {
    off[box.checked ? "delete" : "add"](one.label);
    changed();
  });
  element.append(box, one.label, " ", count);
  return element;
}

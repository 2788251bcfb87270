// One answer on the page: boxes over the picture, labels to switch, table, timings, JSON, command.

import { curlLine } from "./ask.js";

export const COLOURS = ["#ffd400", "#35e0ff", "#ff7ac6", "#8cff66", "#ff9c42", "#c8a6ff", "#ffffff", "#66ffd0"]; // black reads on all
const CAPTION_HEIGHT = 24; // CSS pixels that a caption needs above its box

const byId = (id) => document.getElementById(id);
const colour = (classId) => COLOURS[classId % COLOURS.length];

let shown = null; // { shot, hidden }: what is on the stage, and the labels that are switched off

export function show(shot) {
  const { width, height } = shot.answer.image;
  shown = { shot, hidden: new Set() };
  byId("result").style.setProperty("--ratio", width / height);
  byId("shown").src = shot.url;
  byId("shown").alt = shot.file.name;
  byId("result").hidden = false;
  listLabels(shot.answer.detections);
  listTimings(shot);
  draw();
}

export function hide() {
  shown = null;
  byId("result").hidden = true;
}

// Everything that depends on the slider and the labels.
export function draw() {
  const leastScore = Number(byId("score").value);
  byId("score-now").textContent = leastScore.toFixed(2);
  if (!shown) return;
  const { shot, hidden } = shown;
  const found = shot.answer.detections.filter((one) => one.score >= leastScore && !hidden.has(one.label));
  const labels = hidden.size ? labelsOf(shot.answer.detections).filter((label) => !hidden.has(label)) : null;
  const stage = byId("stage").getBoundingClientRect();
  const boxes = found.map((one) => box(one, shot.answer.image, stage));
  byId("boxes").replaceChildren(...boxes.toReversed()); // the best lies on top
  byId("boxes").ariaLabel = spoken(shot, found);
  byId("table").tBodies[0].replaceChildren(...found.map((one, index) => row(one, boxes[index])));
  byId("status").textContent = `${shot.file.name}: ${found.length} of ${shot.answer.count} boxes`;
  byId("curl").textContent = curlLine(shot.file.name, leastScore.toFixed(2), labels, shot.model);
  byId("json").textContent = JSON.stringify(answerTo(shot.answer, found, leastScore, labels), null, 2);
}

function box(one, image, stage) {
  const { x_min, y_min, x_max, y_max } = one.box;
  const element = document.createElement("div");
  element.className = "box";
  element.style.setProperty("--colour", colour(one.class_id));
  element.style.left = share(x_min, image.width);
  element.style.top = share(y_min, image.height);
  element.style.width = share(x_max - x_min, image.width);
  element.style.height = share(y_max - y_min, image.height);
  element.classList.toggle("high", (y_min / image.height) * stage.height < CAPTION_HEIGHT);
  element.classList.toggle("far", x_min > 0.7 * image.width);
  const caption = document.createElement("span");
  caption.textContent = `${one.label} ${one.score.toFixed(2)}`;
  element.append(caption);
  return element;
}

function share(pixels, side) {
  return `${(100 * pixels) / side}%`;
}

function row(one, element) {
  const row = document.createElement("tr");
  const corners = [one.box.x_min, one.box.y_min, one.box.x_max, one.box.y_max].map((at) => at.toFixed(1));
  for (const text of [one.label, one.score.toFixed(3), ...corners]) row.insertCell().textContent = text;
  row.addEventListener("pointerenter", () => element.classList.add("pointed"));
  row.addEventListener("pointerleave", () => element.classList.remove("pointed"));
  return row;
}

function spoken(shot, found) {
  const names = found.map((one) => `${one.label} ${one.score.toFixed(2)}`).join(", ");
  return `${shot.file.name} with ${found.length} boxes${names && ": "}${names}`;
}

function answerTo(answer, found, leastScore, labels) {
  const parameters = { ...answer.parameters, min_score: leastScore, labels };
  return { ...answer, detections: found, count: found.length, parameters };
}

function labelsOf(detections) {
  return [...new Set(detections.map((one) => one.label))].sort();
}

function listLabels(detections) {
  const switches = labelsOf(detections).map((label) => labelSwitch(label, detections));
  byId("labels").replaceChildren(byId("labels").firstElementChild, ...switches);
  byId("labels").hidden = switches.length === 0;
}

function labelSwitch(label, detections) {
  const element = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = true;
  box.addEventListener("change", () => {
    shown.hidden[box.checked ? "delete" : "add"](label);
    draw();
  });
  element.style.setProperty("--colour", colour(detections.find((one) => one.label === label).class_id));
  element.append(box, label);
  return element;
}

function listTimings(shot) {
  const spent = { ...shot.answer.timing_ms, "there and back": Number(shot.elapsed.toFixed(1)) };
  const lines = Object.entries(spent).flatMap(([stage, milliseconds]) => {
    const [name, value] = [document.createElement("dt"), document.createElement("dd")];
    name.textContent = stage;
    value.textContent = milliseconds.toFixed(1);
    return [name, value];
  });
  byId("timings").replaceChildren(...lines);
}

// The panel beside the image: what was found in words, as a table, as code and as JSON, and the time that it took.

import { SNIPPETS } from "./code.js";
import { colourOf } from "./colours.js";
import { filtered, listLabels, parameters, threshold } from "./filter.js";
import { strength } from "./overlay.js";
import { milliseconds, tally } from "./words.js";

const byId = (id) => document.getElementById(id);
let texts = {}; // of the tabs, by language

// A result, or what there is to say without one.
export function showResult(shot, changed) {
  const { answer, name, model, sent } = shot;
  const found = filtered(answer.detections);
  const { tiles } = answer.parameters;
  const asked = { ...parameters(answer.detections), ...(tiles && { tiles }) };
  byId("details").hidden = false;
  byId("score-now").textContent = threshold().toFixed(2);
  byId("status").textContent = tally(found) || nothing(answer.detections);
  byId("facts").textContent = facts(shot);
  listLabels(answer.detections, changed);
  listRows(found);
  listTimings(shot);
  texts = {
    curl: SNIPPETS.curl(name, asked, model),
    python: SNIPPETS.python(name, asked, model),
    javascript: SNIPPETS.javascript(name, asked, model),
    json: JSON.stringify(filteredAnswer(answer, found, asked), null, 2),
  };
  byId("scaled").hidden = !sent;
  byId("scaled").textContent = sent ? `Scaled down to ${sent.join(" × ")} before sending. Boxes are in pixels of the original image.` : "";
  showCode();
}

export function showWords(words) {
  byId("details").hidden = true;
  byId("status").textContent = words;
  byId("facts").textContent = "";
}

function nothing(detections) {
  return detections.length ? "Nothing found with this filter" : "Nothing found";
}

function facts({ name, answer, elapsed }) {
  const calls = answer.calls > 1 ? [`${answer.calls} calls`] : [];
  return [name, `${answer.image.width} × ${answer.image.height}`, ...calls, milliseconds(elapsed)].join(" · ");
}

function filteredAnswer(answer, found, asked) {
  return { ...answer, detections: found, count: found.length, parameters: { ...answer.parameters, ...asked } };
}

function listRows(found) {
  const body = byId("table").tBodies[0];
  const focused = [...body.rows].indexOf(document.activeElement);
  body.replaceChildren(...found.map(row));
  byId("rows").parentElement.hidden = found.length === 0;
  (body.rows[0] ?? {}).tabIndex = 0;
  if (focused >= 0) focusRow(Math.min(focused, found.length - 1));
}

function row(one, index) {
  const element = document.createElement("tr");
  const { x_min, y_min, x_max, y_max } = one.box;
  element.dataset.index = index;
  element.tabIndex = -1;
  element.style.setProperty("--colour", colourOf(one));
  element.style.setProperty("--strength", strength(one.score));
  for (const text of [one.label, one.score.toFixed(2), ...[x_min, y_min, x_max, y_max].map(Math.round)])
    element.insertCell().textContent = text;
  return element;
}

// One row is in the order of the Tab key; the arrow keys go on from there.
export function focusRow(index) {
  const rows = byId("table").tBodies[0].rows;
  if (!rows[index]) return;
  for (const one of rows) one.tabIndex = -1;
  rows[index].tabIndex = 0;
  rows[index].focus();
}

function listTimings({ answer, elapsed }) {
  const spent = { ...answer.timing_ms, "round trip": elapsed };
  const items = Object.entries(spent).map(([stage, time]) => fact(stage, milliseconds(time)));
  byId("timings").replaceChildren(...items);
}

export function fact(term, value) {
  const [item, name, text] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
  name.textContent = term;
  text.textContent = value;
  item.append(name, text);
  return item;
}

export function selectTab(tab) {
  for (const one of byId("tabs").querySelectorAll("[role=tab]")) {
    one.setAttribute("aria-selected", one === tab);
    one.tabIndex = one === tab ? 0 : -1;
  }
  byId("code").setAttribute("aria-labelledby", tab.id);
  showCode();
}

function showCode() {
  byId("code").textContent = texts[byId("tabs").querySelector("[aria-selected=true]").id.replace("tab-", "")];
}

// The try-it page: pictures come in, are asked about one after the other, and can be looked at again.

import { detect, models, useKey, wantsKey } from "./ask.js";
import { draw, hide, show } from "./show.js";

const MOST = 50; // pictures that are kept
const byId = (id) => document.getElementById(id);
const shots = []; // { file, url, button } and, once asked, the model's name and { answer, elapsed } or { problem }
let cards = []; // what the gateway says of its models, the default first
let current = null;
let working = false;

function add(files) {
  const added = [...files].map(newShot);
  shots.push(...added);
  while (shots.length > MOST) forget(shots.shift());
  byId("film").hidden = shots.length === 0;
  if (added.length) select(added[0]);
  work();
}

function newShot(file) {
  const shot = { file, url: URL.createObjectURL(file), button: document.createElement("button") };
  const [item, picture, badge] = ["li", "img", "span"].map((name) => document.createElement(name));
  picture.src = shot.url;
  picture.alt = file.name;
  badge.textContent = "…";
  shot.button.append(picture, badge);
  shot.button.addEventListener("click", () => select(shot));
  item.append(shot.button);
  byId("film").append(item);
  return shot;
}

function forget(shot) {
  URL.revokeObjectURL(shot.url);
  shot.button.parentElement.remove();
}

// Asks about whatever has not been asked, one after the other; a missing key holds the line up.
async function work() {
  if (working) return;
  working = true;
  for (let shot; (shot = shots.find((one) => !one.answer && !one.problem)); ) {
    const model = chosen();
    const result = await detect(shot.file, model);
    if (model !== chosen()) continue; // another was chosen meanwhile
    if (wantsKey(result.problem)) {
      askForKey(result.problem);
      break;
    }
    Object.assign(shot, result, { model });
    note(shot);
    if (shot === current) select(shot);
  }
  working = false;
}

// Null for the first, which needs no name.
function chosen() {
  return byId("chosen").selectedIndex > 0 ? byId("chosen").value : null;
}

function askAgain(shot) {
  shot.answer = shot.problem = undefined;
  note(shot);
  select(shot);
  work();
}

function select(shot) {
  current?.button.removeAttribute("aria-current");
  current = shot;
  shot.button.setAttribute("aria-current", "true");
  byId("again").hidden = !shot.problem?.retryable;
  byId("status").classList.toggle("bad", Boolean(shot.problem));
  if (shot.answer) return show(shot);
  hide();
  byId("status").textContent = `${shot.file.name}: ${shot.problem ? words(shot.problem) : "looking …"}`;
}

// On its thumbnail: how many boxes have the least score.
function note(shot) {
  const enough = shot.answer?.detections.filter((one) => one.score >= Number(byId("score").value));
  shot.button.lastElementChild.textContent = enough ? enough.length : shot.problem ? "!" : "…";
}

function words(problem) {
  const trail = [problem.code, problem.request_id].filter(Boolean).join(", ");
  return `${problem.title}. ${problem.detail}${trail && ` (${trail})`}`;
}

function askForKey(problem) {
  byId("door").hidden = false;
  byId("door-says").textContent = problem.code === "forbidden" ? words(problem) : `${problem.title}.`;
  byId("key").select();
}

async function meet() {
  const { answer, problem } = await models();
  if (wantsKey(problem)) return askForKey(problem);
  byId("door").hidden = true;
  if (answer) offer(answer.models);
  return work();
}

function offer(models) {
  cards = models;
  byId("chosen").replaceChildren(...cards.map(({ name }) => new Option(name)));
  byId("choice").hidden = cards.length < 2;
  introduce(cards[0]);
}

function introduce({ name, version, labels, formats, limits, min_score }) {
  const kinds = formats.join(", ").toUpperCase();
  const most = (limits.max_body_bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: 1 });
  const what = labels.length > 3 ? `${labels.length} labels` : labels.join(", ");
  const who = version ? `${name}, version ${version}` : name;
  byId("model").textContent = `${who} · ${what} · ${kinds} up to ${most} MiB`;
  byId("score").value = min_score;
  draw();
}

async function copy(button) {
  const source = byId(button.dataset.copies);
  getSelection().selectAllChildren(source); // a page without TLS has no clipboard: then this is what gets copied
  const copied = await navigator.clipboard?.writeText(source.textContent).then(() => true, () => false);
  byId("status").textContent = copied || document.execCommand("copy") ? "Copied." : "Selected: copy it with the keyboard.";
}

for (const source of [byId("picture"), byId("camera")]) {
  source.addEventListener("change", () => {
    add(source.files);
    source.value = ""; // the same picture may be chosen again
  });
}
document.addEventListener("paste", (event) => add(event.clipboardData.files));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  add(event.dataTransfer.files);
});
byId("score").addEventListener("input", () => {
  draw();
  shots.forEach(note);
});
byId("chosen").addEventListener("change", () => {
  introduce(cards[byId("chosen").selectedIndex]);
  if (current) askAgain(current);
});
byId("again").addEventListener("click", () => askAgain(current));
byId("door").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(byId("key").value.trim());
  byId("key").value = "";
  meet();
});
for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));
new ResizeObserver(draw).observe(byId("stage"));
meet();

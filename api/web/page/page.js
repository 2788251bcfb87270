// The try-it page: what its parts do together.

import { filtered, setThreshold } from "./filter.js";
import { models, needsKey, useKey } from "./gateway.js";
import { fact, focusRow, selectTab, showResult, showWords } from "./panel.js";
import { ask, dropShot, letGo, newShot, note, pixels } from "./shots.js";
import * as stage from "./stage.js";
import { closeWebcam, follow, isLive, openWebcam } from "./webcam.js";
import { plural, tally } from "./words.js";

const MOST = 50; // images that are kept
const byId = (id) => document.getElementById(id);
const shots = [];
let cards = []; // what the gateway says of its models, the default first
let current = null; // the shot, or the webcam's last frame, that is shown
let working = false;
let frames = 0; // that were kept from the webcam

function add(files) {
  if (!files.length) return;
  stopWebcam();
  const added = [...files].map((file) => newShot(file, select));
  shots.push(...added);
  while (shots.length > MOST) dropShot(shots.shift());
  select(added[0]);
  work();
}

// Sends what has no result yet, one image after the other; a missing key holds the queue up.
async function work() {
  if (!cards.length) return meet();
  if (working) return;
  working = true;
  for (let shot; (shot = waiting()[0]); ) {
    const [model, tiles] = [chosen(), tiling()];
    const result = await ask(shot, card(), model, tiles);
    if (shot !== current) letGo(shot);
    if (model !== chosen() || tiles !== tiling() || !shots.includes(shot)) continue; // another was chosen, or it was removed, meanwhile
    if (needsKey(result.problem)) {
      askForKey(result.problem);
      break;
    }
    Object.assign(shot, result, { model });
    note(shot);
    if (shot === current) render();
  }
  working = false;
}

function waiting() {
  return shots.filter((one) => !one.answer && !one.problem);
}

// Null for the first, which needs no name.
function chosen() {
  return byId("chosen").selectedIndex > 0 ? byId("chosen").value : null;
}

function tiling() {
  return byId("tiles").checked ? "auto" : null;
}

function card() {
  return cards[Math.max(0, byId("chosen").selectedIndex)];
}

function askAgain(shot) {
  shot.answer = shot.problem = undefined;
  note(shot);
  render();
  work();
}

async function select(shot) {
  stopWebcam();
  if (current && current !== shot) letGo(current);
  current?.button?.removeAttribute("aria-current");
  current = shot;
  shot.button.setAttribute("aria-current", "true");
  stage.showNothing();
  render();
  const { width, height, canvas } = await pixels(shot);
  if (shot !== current) return;
  if (canvas) stage.showImage({ width, height }, canvas, shot.name);
  render();
}

// Everything that the page shows of the current image.
function render() {
  document.body.classList.toggle("empty", !current);
  document.body.classList.toggle("failed", Boolean(current?.problem));
  byId("film").hidden = shots.length < 2;
  byId("tools").hidden = !shots.includes(current);
  byId("download").disabled = !current?.answer;
  byId("progress").hidden = !current || Boolean(current.answer || current.problem);
  showProblem(current?.problem);
  if (current?.answer) {
    const found = filtered(current.answer.detections);
    stage.showDetections(found, current.answer.image, `${current.name}: ${tally(found, Infinity) || "nothing found"}`);
    showResult(current, filterChanged);
  } else {
    showWords(!current ? "" : current.live ? "Starting the webcam …" : "Detecting …");
  }
}

function filterChanged() {
  render();
  shots.forEach(note);
}

function showProblem(problem) {
  byId("problem").hidden = !problem;
  if (!problem) return;
  byId("problem-title").textContent = problem.title;
  byId("problem-detail").textContent = problem.detail;
  byId("problem-trail").textContent = [problem.code, problem.request_id].filter(Boolean).join(" · ");
  byId("again").hidden = !problem.retryable;
}

function remove() {
  const index = shots.indexOf(current);
  dropShot(current);
  shots.splice(index, 1);
  const next = shots[index] ?? shots[index - 1];
  if (next) select(next);
  else showNone();
}

function clear() {
  stopWebcam();
  for (const shot of shots.splice(0)) dropShot(shot);
  showNone();
}

function showNone() {
  current = null;
  stage.showNothing();
  render();
  byId("files").focus();
}

async function tryWebcam() {
  if (isLive()) return stopWebcam();
  if (current) letGo(current);
  current?.button?.removeAttribute("aria-current");
  current = { name: "webcam.jpg", live: true };
  stage.showNothing();
  render();
  const live = current;
  byId("webcam").disabled = true;
  const refused = await openWebcam(byId("video"));
  byId("webcam").disabled = false;
  if (live !== current) return closeWebcam();
  if (refused) return fail(refused);
  showLive(true);
  stage.showVideo({ width: byId("video").videoWidth, height: byId("video").videoHeight });
  const problem = await follow(byId("video"), chosen, (frame) => showFrame(live, frame));
  if (live === current) stopWebcam(problem);
}

function fail(problem) {
  Object.assign(current, { problem });
  render();
}

function showFrame(live, { rate, ...frame }) {
  Object.assign(live, frame, { model: chosen(), sent: null });
  byId("rate").hidden = rate === null;
  byId("rate").textContent = `${rate?.toFixed(1)} frames/s`;
  if (live === current) render();
}

// Its last frame stays as an image with its result.
function stopWebcam(problem = null) {
  if (!isLive()) return;
  closeWebcam();
  showLive(false);
  const { blob, answer, elapsed, model } = current;
  if (problem) return fail(problem);
  if (!answer) return shots.length ? select(shots.at(-1)) : showNone();
  const shot = newShot(new File([blob], `webcam-${++frames}.jpg`, { type: "image/jpeg" }), select);
  shots.push(Object.assign(shot, { answer, elapsed, model, sent: null }));
  note(shot);
  select(shot);
}

function showLive(live) {
  document.body.classList.toggle("live", live);
  byId("webcam").querySelector("span").textContent = live ? "Stop webcam" : "Webcam";
  byId("webcam").querySelector("use").setAttribute("href", live ? "#icon-stop" : "#icon-video");
  byId("status").setAttribute("aria-live", live ? "off" : "polite"); // a reader that hears each frame hears nothing else
  byId("rate").hidden = true;
}

async function download() {
  const [link, name] = [document.createElement("a"), current.name.replace(/\.[^.]*$/, "")];
  link.href = URL.createObjectURL(await stage.annotated());
  link.download = `${name}-detections.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function askForKey(problem) {
  byId("door").hidden = false;
  byId("door-says").textContent = problem.code === "forbidden" ? `${problem.title}. ${problem.detail}` : `${problem.title}.`;
  byId("key").select();
}

async function meet() {
  const { answer, problem } = await models();
  if (needsKey(problem)) return askForKey(problem);
  byId("door").hidden = true;
  if (problem) return giveUp(problem);
  showProblem(null);
  cards = answer.models;
  byId("chosen").replaceChildren(...cards.map(({ name }) => new Option(name)));
  for (const element of [byId("chosen"), byId("chosen").labels[0]]) element.hidden = cards.length < 2;
  introduce();
  work();
}

function giveUp(problem) {
  for (const shot of waiting()) note(Object.assign(shot, { problem }));
  if (current) render();
  else showProblem(problem);
}

function introduce() {
  byId("about").hidden = false;
  byId("about").textContent = cards.length > 1 ? "Model card" : `Model: ${card().name}`;
  setThreshold(card().min_score);
  offerSamples(card().labels);
  render();
}

// Those that show what the model can find, where it can find any of it.
function offerSamples(labels) {
  const samples = [...document.querySelectorAll("[data-sample]")];
  const fitting = samples.filter((one) => labels.includes(one.dataset.labels));
  for (const one of samples) one.parentElement.hidden = fitting.length > 0 && !fitting.includes(one);
}

async function trySample(name) {
  const blob = await (await fetch(`page/samples/${name}`)).blob();
  add([new File([blob], name, { type: blob.type })]);
}

function showCard() {
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

async function copy() {
  const code = byId("code");
  getSelection().selectAllChildren(code); // without TLS there is no clipboard: then this selection is copied
  const copied = await navigator.clipboard?.writeText(code.textContent).then(() => true, () => false);
  byId("copy").textContent = copied || document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
  setTimeout(() => (byId("copy").textContent = "Copy"), 2000);
}

// The detection that an element belongs to, marked here and there.
function markFrom({ target }) {
  const index = target.closest?.("[data-index]")?.dataset.index ?? null;
  stage.mark(index);
  const row = byId("table").querySelector("tr.marked");
  if (row && !target.closest("#panel")) byId("rows").scrollTop = row.offsetTop - byId("rows").clientHeight / 2;
}

function listen(id, event, act) {
  byId(id).addEventListener(event, act);
}

function listenToSources() {
  for (const id of ["files", "camera"]) {
    listen(id, "change", ({ target }) => {
      add(target.files);
      target.value = ""; // the same image may be chosen again
    });
  }
  listen("webcam", "click", tryWebcam);
  for (const one of document.querySelectorAll("[data-sample]")) one.addEventListener("click", () => trySample(one.dataset.sample));
  document.addEventListener("paste", ({ clipboardData }) => add(clipboardData.files));
  for (const [event, dragging] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(event, (happened) => {
      happened.preventDefault();
      document.body.classList.toggle("dragging", dragging);
      if (event === "drop") add(happened.dataTransfer.files);
    });
  }
}

function listenToStage() {
  listen("zoom-in", "click", () => stage.zoomBy(1.5));
  listen("zoom-out", "click", () => stage.zoomBy(1 / 1.5));
  listen("zoom-fit", "click", () => stage.zoomBy(0));
  const keys = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };
  listen("stage", "keydown", ({ key }) => key in keys && stage.zoomBy(keys[key]));
  byId("stage").addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    stage.zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15);
  }, { passive: false });
  listen("stage", "pointermove", ({ buttons, pointerType, movementX, movementY }) => {
    if (buttons === 1 && pointerType === "mouse") byId("stage").scrollBy(-movementX, -movementY);
  });
  new ResizeObserver(stage.redraw).observe(byId("stage"));
  listen("download", "click", download);
  listen("remove", "click", remove);
  listen("clear", "click", clear);
}

function listenToPanel() {
  listen("score", "input", filterChanged);
  listen("again", "click", () => (shots.includes(current) ? askAgain(current) : meet()));
  for (const event of ["pointerover", "focusin"]) document.addEventListener(event, markFrom);
  listen("rows", "keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target.closest("[data-index]");
    if (!step || !row) return;
    event.preventDefault();
    focusRow(Number(row.dataset.index) + step);
  });
  listen("tabs", "click", ({ target }) => target.role === "tab" && selectTab(target));
  listen("tabs", "keydown", ({ key, target }) => {
    const tabs = [...byId("tabs").querySelectorAll("[role=tab]")];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step || target.role !== "tab") return;
    const next = tabs.at((tabs.indexOf(target) + step) % tabs.length);
    selectTab(next);
    next.focus();
  });
  listen("copy", "click", copy);
}

function listenToModels() {
  listen("chosen", "change", () => {
    introduce();
    if (shots.includes(current)) askAgain(current);
  });
  listen("tiles", "change", () => shots.includes(current) && askAgain(current));
  listen("about", "click", showCard);
  listen("card-close", "click", () => byId("card").close());
  listen("door", "submit", (event) => {
    event.preventDefault();
    useKey(byId("key").value.trim());
    byId("key").value = "";
    meet();
  });
}

listenToSources();
listenToStage();
listenToPanel();
listenToModels();
meet();

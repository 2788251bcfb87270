// The images of the page, and what is shown of the current one: a file's, or the webcam's last frame.

import { areKnown, card, chosen, introduce, offer } from "./cards.js";
import { filtered } from "./filter.js";
import { models, needsKey } from "./gateway.js";
import { showResult, showWords } from "./panel.js";
import { ask, dropShot, letGo, newShot, note, pixels } from "./shots.js";
import * as stage from "./stage.js";
import { closeWebcam, follow, isLive, openWebcam } from "./webcam.js";
import { tally } from "./words.js";

const MOST = 50; // images that are kept
const byId = (id) => document.getElementById(id);
const shots = [];
let working = false;
let frames = 0; // that were kept from the webcam
export let current = null; // the shot, or the webcam's last frame, that is shown

export function add(files) {
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
  if (!areKnown()) return meet();
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

function tiling() {
  return byId("tiles").checked ? "auto" : null;
}

// Sends the current image again, or, where there is none, asks for the models.
export function askAgain() {
  if (!shots.includes(current)) return meet();
  current.answer = current.problem = undefined;
  note(current);
  render();
  return work();
}

export function optionChanged() {
  if (shots.includes(current)) askAgain();
}

export function modelChanged() {
  introduce();
  render();
  optionChanged();
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

export function filterChanged() {
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

export function remove() {
  const index = shots.indexOf(current);
  dropShot(current);
  shots.splice(index, 1);
  const next = shots[index] ?? shots[index - 1];
  if (next) select(next);
  else showNone();
}

export function clear() {
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

export async function tryWebcam() {
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

export async function meet() {
  const { answer, problem } = await models();
  if (needsKey(problem)) return askForKey(problem);
  byId("door").hidden = true;
  if (problem) return giveUp(problem);
  showProblem(null);
  offer(answer.models);
  render();
  work();
}

function askForKey(problem) {
  byId("door").hidden = false;
  byId("door-says").textContent = problem.code === "forbidden" ? `${problem.title}. ${problem.detail}` : `${problem.title}.`;
  byId("key").select();
}

function giveUp(problem) {
  for (const shot of waiting()) note(Object.assign(shot, { problem }));
  if (current) render();
  else showProblem(problem);
}

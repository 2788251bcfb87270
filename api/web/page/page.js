// The try-it page: what its buttons, keys and gestures do.

import { add, askAgain, clear, current, filterChanged, meet, modelChanged, optionChanged, remove, tryWebcam } from "./album.js";
import { showCard } from "./cards.js";
import { useKey } from "./gateway.js";
import { focusRow, selectTab } from "./panel.js";
import * as stage from "./stage.js";

const byId = (id) => document.getElementById(id);

async function trySample(name) {
  const blob = await (await fetch(`page/samples/${name}`)).blob();
  add([new File([blob], name, { type: blob.type })]);
}

async function download() {
  const [link, name] = [document.createElement("a"), current.name.replace(/\.[^.]*$/, "")];
  link.href = URL.createObjectURL(await stage.annotated());
  link.download = `${name}-detections.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
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
  listen("again", "click", askAgain);
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
  listen("chosen", "change", modelChanged);
  listen("tiles", "change", optionChanged);
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

"use strict";

const COLOURS = ["#ffd400", "#35e0ff", "#ff7ac6", "#8cff66"];
const byId = (id) => document.getElementById(id);
let shown = null; // the picture on the page and the answer about it

byId("picture").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  tell("Looking …");
  try {
    const answer = await detect(file);
    shown = { picture: await createImageBitmap(file), answer };
    draw();
  } catch (error) {
    tell(error.message);
  }
});

byId("score").addEventListener("input", () => {
  byId("score-now").value = Number(byId("score").value).toFixed(2);
  if (shown) draw();
});

// Everything is asked for once, so that the slider needs no further request.
async function detect(file) {
  const body = new FormData();
  body.append("image", file);
  const response = await fetch("detect?min_score=0.01", { method: "POST", body });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.title}. ${answer.detail}`);
  return answer;
}

function draw() {
  const { picture, answer } = shown;
  const found = answer.detections.filter((one) => one.score >= byId("score").value);
  const canvas = byId("drawing");
  canvas.width = answer.image.width;
  canvas.height = answer.image.height;
  canvas.hidden = false;
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  for (const one of found) drawBox(pen, one, Math.max(canvas.width, canvas.height));
  list(found);
  tell(`${found.length} of ${answer.count} boxes; ${answer.timing_ms.total} ms.`);
}

function drawBox(pen, one, longest) {
  const { x_min, y_min, x_max, y_max } = one.box;
  const size = Math.max(12, longest / 45);
  const caption = `${one.label} ${one.score.toFixed(2)}`;
  pen.strokeStyle = pen.fillStyle = COLOURS[one.class_id % COLOURS.length];
  pen.lineWidth = Math.max(2, longest / 300);
  pen.strokeRect(x_min, y_min, x_max - x_min, y_max - y_min);
  pen.font = `${size}px system-ui, sans-serif`;
  pen.textBaseline = "top";
  const top = y_min >= size * 1.3 ? y_min - size * 1.3 : y_min;
  pen.fillRect(x_min, top, pen.measureText(caption).width + size / 2, size * 1.3);
  pen.fillStyle = "black";
  pen.fillText(caption, x_min + size / 4, top + size * 0.15);
}

function list(found) {
  const rows = found.map((one) => {
    const row = document.createElement("tr");
    const corners = Object.values(one.box).map((at) => at.toFixed(1));
    for (const text of [one.label, one.score.toFixed(3), ...corners]) row.insertCell().textContent = text;
    return row;
  });
  byId("boxes").tBodies[0].replaceChildren(...rows);
  byId("boxes").hidden = found.length === 0;
}

function tell(text) {
  byId("status").textContent = text;
}

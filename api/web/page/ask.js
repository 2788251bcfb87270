// What is asked of the gateway. Addresses are relative, so that a path prefix before this page changes nothing.

let key = null; // in memory only

export function useKey(given) {
  key = given;
}

// Everything is asked for once, at the least score there is: the slider needs no further request.
export async function detect(file, model) {
  const body = new FormData();
  body.append("image", file);
  const started = performance.now();
  const answer = await ask(`detect?${query({ min_score: 0.01 }, model)}`, { method: "POST", body });
  return { ...answer, elapsed: performance.now() - started };
}

export function models() {
  return ask("models");
}

// No name stands for the first model, which is asked where nobody says.
function query(parameters, model) {
  return new URLSearchParams(model ? { ...parameters, model } : parameters);
}

// { answer } or { problem }, the problem in the gateway's own words wherever it came from the gateway.
async function ask(path, options = {}) {
  try {
    const response = await fetch(path, { ...options, headers: key === null ? {} : { "X-API-Key": key } });
    const body = await response.json().catch(() => null);
    if (response.ok && body) return { answer: body };
    return { problem: body?.code ? body : stranger(response.status) };
  } catch {
    return { problem: { title: "The gateway did not answer", detail: "Is it running?", retryable: true } };
  }
}

function stranger(status) {
  const detail = "The answer came from something between this page and the gateway.";
  return { title: `Status ${status}`, detail, retryable: status >= 500 };
}

export function wantsKey(problem) {
  return problem?.code === "unauthenticated" || problem?.code === "forbidden";
}

// The command that asks for what the page shows now; a key is named and not shown.
export function curlLine(name, leastScore, labels, model) {
  const asked = query({ min_score: leastScore }, model);
  for (const label of labels ?? []) asked.append("labels", label);
  const parts = ["curl", "-F", quoted(`image=@"${name.replace(/[\\"]/g, "\\$&")}"`)];
  if (key !== null) parts.push("-H", '"X-API-Key: $DETECT_API_KEY"');
  return [...parts, quoted(new URL(`detect?${asked}`, location.href).href)].join(" ");
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

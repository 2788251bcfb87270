// Requests to the gateway. Addresses are relative, so that a path prefix before this page changes nothing.

let key = null; // in memory only

export function useKey(given) {
  key = given;
}

export function hasKey() {
  return key !== null;
}

// { answer, elapsed } or { problem }. One request at the lowest threshold: the slider filters here, without another.
export async function detect(blob, name, model, tiles) {
  const body = new FormData();
  body.append("image", blob, name);
  const started = performance.now();
  const result = await ask(`detect?${query({ min_score: 0.01, ...(tiles && { tiles }) }, model)}`, { method: "POST", body });
  return { ...result, elapsed: performance.now() - started };
}

export function models() {
  return ask("models");
}

export function address(parameters, model) {
  return new URL(`detect?${query(parameters, model)}`, location.href).href;
}

// A list gives one parameter for each member. Without a name the gateway takes its default model.
function query({ labels, ...parameters }, model) {
  const asked = new URLSearchParams(parameters);
  for (const label of labels ?? []) asked.append("labels", label);
  if (model) asked.append("model", model);
  return asked;
}

// The problem is in the gateway's own words wherever it came from the gateway.
async function ask(path, options = {}) {
  try {
    const response = await fetch(path, { ...options, headers: key === null ? {} : { "X-API-Key": key } });
    const body = await response.json().catch(() => null);
    if (response.ok && body) return { answer: body };
    const wait = Number(response.headers.get("Retry-After")) || 1;
    return { problem: { ...(body?.code ? body : stranger(response.status)), wait } };
  } catch {
    return { problem: { title: "The gateway did not answer", detail: "Check that it is running and that you are online.", retryable: true, wait: 1 } };
  }
}

function stranger(status) {
  const detail = "The response came from something between this page and the gateway.";
  return { title: `Status ${status}`, detail, retryable: status >= 500 };
}

export function needsKey(problem) {
  return problem?.code === "unauthenticated" || problem?.code === "forbidden";
}

// The request for what the page shows now, ready to run elsewhere. An API key is named and never shown.

import { address, hasKey } from "./gateway.js";

// By language, for an image file of this name.
export const SNIPPETS = {
  curl(name, parameters, model) {
    const image = quoted(`image=@"${name.replace(/[\\"]/g, "\\$&")}"`);
    const key = hasKey() ? ['-H "X-API-Key: $DETECT_API_KEY"'] : [];
    return ["curl " + quoted(address(parameters, model)), `-F ${image}`, ...key].join(" \\\n  ");
  },

  python(name, parameters, model) {
    const headers = hasKey() ? `, headers={"X-API-Key": os.environ["DETECT_API_KEY"]}` : "";
    return `${hasKey() ? "import os\n\n" : ""}import requests

with open(${JSON.stringify(name)}, "rb") as image:
    response = requests.post(
        ${JSON.stringify(address(parameters, model))},
        files={"image": image}${headers},
    )
response.raise_for_status()
for detection in response.json()["detections"]:
    print(detection["label"], detection["score"], detection["box"])`;
  },

  javascript(name, parameters, model) {
    const headers = hasKey() ? `\n  headers: { "X-API-Key": process.env.DETECT_API_KEY },` : "";
    return `import { openAsBlob } from "node:fs";

const body = new FormData();
body.append("image", await openAsBlob(${JSON.stringify(name)}), ${JSON.stringify(name)});
const response = await fetch(${JSON.stringify(address(parameters, model))}, {
  method: "POST",
  body,${headers}
});
if (!response.ok) throw new Error(await response.text());
for (const { label, score, box } of (await response.json()).detections) {
  console.log(label, score, box);
}`;
  },
};

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

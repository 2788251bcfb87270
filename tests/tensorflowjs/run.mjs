// Runs a graph model on TensorFlow.js: `run.mjs GRAPH NODE...`. Each line of standard input is an image as JSON,
// {"shape": [1, H, W, 3], "pixels": base64 of uint8}; each line of the answer holds the nodes' values as float32, in base64.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { ready, io, tensor, env } from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { loadGraphModel } from "@tensorflow/tfjs-converter";

env().set("PROD", true); // else it advertises its faster build
const [path, ...nodes] = process.argv.slice(2);
const { modelTopology, weightsManifest } = JSON.parse(readFileSync(path));
const shards = weightsManifest.flatMap((group) => group.paths.map((name) => readFileSync(join(dirname(path), name))));
const weightSpecs = weightsManifest.flatMap((group) => group.weights);
const weightData = new Uint8Array(Buffer.concat(shards)).buffer;
await ready();
const model = await loadGraphModel(io.fromMemory({ modelTopology, weightSpecs, weightData }));
for await (const line of createInterface({ input: process.stdin })) {
  const { shape, pixels } = JSON.parse(line);
  const image = tensor(Int32Array.from(Buffer.from(pixels, "base64")), shape, "int32");
  const values = await model.executeAsync({ image_tensor: image }, nodes);
  const encoded = [values].flat().map((each) => Buffer.from(Float32Array.from(each.dataSync()).buffer));
  console.log(JSON.stringify(encoded.map((each) => each.toString("base64"))));
}

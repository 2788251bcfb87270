// Sends one image to a gateway with each of the clients that people have, and prints what came back, by client.
import { readFile } from "node:fs/promises";
import http from "node:http";
import axios from "axios";
import FormData from "form-data";
import superagent from "superagent";
import { DetectCustomLabelsCommand, DetectLabelsCommand, RekognitionClient } from "@aws-sdk/client-rekognition";

const [url, path] = process.argv.slice(2);
const image = await readFile(path);
const detect = `${url}/detect`;

const clients = {
  // A Buffer in a form has no file name unless one is given.
  async axios() {
    return (await axios.postForm(detect, { image, min_score: 0.01 })).data;
  },
  async superagent() {
    return (await superagent.post(detect).field("image", image)).body;
  },
  async formData() {
    const form = new FormData();
    form.append("image", image);
    const request = http.request(detect, { method: "POST", headers: form.getHeaders() });
    form.pipe(request);
    const response = await new Promise((answered) => request.on("response", answered));
    return JSON.parse((await response.toArray()).join(""));
  },
  async rekognition() {
    const answer = await rekognition.send(new DetectLabelsCommand({ Image: { Bytes: image }, MinConfidence: 10 }));
    return answer.Labels;
  },
  async rekognitionCustom() {
    const ProjectVersionArn = "arn:aws:rekognition:eu-west-1:123456789012:project/person/version/v1/1600000000000";
    return (await rekognition.send(new DetectCustomLabelsCommand({ ProjectVersionArn, Image: { Bytes: image } })))
      .CustomLabels;
  },
  async rekognitionError() {
    return rekognition.send(new DetectLabelsCommand({ Image: { Bytes: Buffer.from("GIF89a") } })).catch((error) => ({
      name: error.name,
      attempts: error.$metadata.attempts,
    }));
  },
};

// Its address is AWS_ENDPOINT_URL_REKOGNITION, as for every SDK.
const rekognition = new RekognitionClient({});
const answers = {};
for (const [name, ask] of Object.entries(clients)) answers[name] = await ask();
console.log(JSON.stringify(answers));

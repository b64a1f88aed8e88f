// The logits of int8 files by onnxruntime-web, one image at a time: node int8.mjs RUNTIME FOLDER IMAGES NAME ...
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [runtime, folder, images, ...names] = process.argv.slice(2);
const ort = await import(pathToFileURL(`${runtime}/dist/ort.wasm.min.mjs`));
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const bytes = readFileSync(`${folder}/pixels.f32`);
const pixels = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), size = pixels.length / images;
const sessions = {}, logits = {}, seconds = {};
for (const name of names) {
  sessions[name] = await ort.InferenceSession.create(readFileSync(`${folder}/${name}.onnx`));
  [logits[name], seconds[name]] = [[], []];
}
const ROUND = 20; // images a file, in turn
for (let first = 0; first < images; first += ROUND)
  for (const name of names) {
    const begun = process.cpuUsage();
    for (let i = first; i < Math.min(images, first + ROUND); i++) {
      const image = new ort.Tensor("float32", pixels.subarray(i * size, (i + 1) * size), [1, 3, 32, 32]);
      logits[name].push(...(await sessions[name].run({ pixels: image })).logits.data);
    }
    const { user, system } = process.cpuUsage(begun);
    seconds[name].push((user + system) / 1e6);
  }
for (const name of names) writeFileSync(`${folder}/${name}.f32`, new Uint8Array(Float32Array.from(logits[name]).buffer));
console.log(JSON.stringify(seconds));

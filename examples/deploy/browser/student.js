// An exported student in the browser: student.onnx and its card.json, run by onnxruntime-web.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
import { centred, input } from "./pixels.js";

ort.env.wasm.numThreads = 1; // more would need headers that plain file servers do not send

export async function load(model, card) {
  const [bytes, { classes, input: asked }] = await Promise.all([
    fetched(model).then(answer => answer.arrayBuffer()),
    fetched(card).then(answer => answer.json()),
  ]);
  const session = await ort.InferenceSession.create(bytes);
  const run = async values => {
    const answer = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", values, [1, ...asked.shape]) });
    return [...answer[session.outputNames[0]].data];
  };
  await run(new Float32Array(asked.shape.reduce((a, b) => a * b))); // the first run is slower than all others
  return {
    classes,
    bytes: bytes.byteLength,
    async classify(file, count) {
      const pixels = await prepared(file, asked);
      const begun = performance.now();
      const logits = await run(pixels);
      const milliseconds = performance.now() - begun;
      const shares = softmax(logits);
      const top = classes
        .map((name, i) => ({ name, probability: shares[i] }))
        .sort((a, b) => b.probability - a.probability)
        .slice(0, count);
      return { top, milliseconds };
    },
  };
}

async function fetched(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`there is no ${name}`);
  return answer;
}

// The picture upright and on white, its colours as they stand in the file.
async function prepared(file, asked) {
  const picture = await createImageBitmap(file, { colorSpaceConversion: "none" }); // turned as its EXIF orientation says
  const { left, top, width, height } = centred(picture.width, picture.height, asked.shape);
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, -left, -top);
  return input(context.getImageData(0, 0, width, height).data, width, asked);
}

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map(logit => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map(power => power / sum);
}

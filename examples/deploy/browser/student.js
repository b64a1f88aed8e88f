// An exported student in the browser: student.onnx and its card.json, run by onnxruntime-web.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1; // more would need headers that plain file servers do not send

export async function load(model, card) {
  const [bytes, { classes, input }] = await Promise.all([
    fetched(model).then(answer => answer.arrayBuffer()),
    fetched(card).then(answer => answer.json()),
  ]);
  const session = await ort.InferenceSession.create(bytes);
  const run = async values => {
    const answer = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", values, [1, ...input.shape]) });
    return [...answer[session.outputNames[0]].data];
  };
  await run(new Float32Array(input.shape.reduce((a, b) => a * b))); // the first run is slower than all others
  return {
    classes,
    bytes: bytes.byteLength,
    async classify(file, count) {
      const pixels = await prepared(file, input);
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

// The largest centred part of the input's proportions, laid on white, resized, channel after channel in [0, 1].
async function prepared(file, { shape: [channels, height, width], interpolation }) {
  const picture = await createImageBitmap(file); // turned as its EXIF orientation says
  const wide = Math.min(picture.width, Math.max(1, Math.floor((picture.height * width) / height)));
  const high = Math.min(picture.height, Math.max(1, Math.floor((picture.width * height) / width)));
  const canvas = new OffscreenCanvas(wide, high);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, wide, high);
  context.drawImage(picture, -Math.floor((picture.width - wide) / 2), -Math.floor((picture.height - high) / 2));
  const { data } = context.getImageData(0, 0, wide, high);
  const across = weights(wide, width, interpolation), down = weights(high, height, interpolation);
  const planes = new Float32Array(3 * height * width);
  const rows = new Float32Array(3 * high * width);
  for (let y = 0; y < high; y++)
    for (let x = 0; x < width; x++)
      for (const [from, weight] of across[x])
        for (let c = 0; c < 3; c++) rows[(c * high + y) * width + x] += weight * data[(y * wide + from) * 4 + c];
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < height; y++)
      for (const [from, weight] of down[y])
        for (let x = 0; x < width; x++)
          planes[(c * height + y) * width + x] += (weight * rows[(c * high + from) * width + x]) / 255;
  for (let i = 0; i < planes.length; i++) planes[i] = Math.min(1, Math.max(0, planes[i]));
  if (channels === 3) return planes;
  const size = height * width;
  return Float32Array.from({ length: size }, (_, i) =>
    0.299 * planes[i] + 0.587 * planes[size + i] + 0.114 * planes[2 * size + i]);
}

// For each of `count` outputs the inputs it is made of and their weights: antialiased, as image libraries do.
function weights(size, count, interpolation) {
  const scale = size / count, stretch = Math.max(scale, 1), radius = interpolation === "bicubic" ? 2 : 1;
  return Array.from({ length: count }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - radius * stretch + 0.5));
    const last = Math.min(size, Math.floor(centre + radius * stretch + 0.5));
    const pairs = [];
    for (let from = first; from < last; from++) pairs.push([from, kernel((from + 0.5 - centre) / stretch, radius)]);
    const sum = pairs.reduce((total, [, weight]) => total + weight, 0);
    return pairs.map(([from, weight]) => [from, weight / sum]);
  });
}

function kernel(distance, radius) {
  const x = Math.abs(distance), a = -0.5;
  if (radius === 1) return Math.max(0, 1 - x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map(logit => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map(power => power / sum);
}

// What a student sees of a picture, bit for bit as Pillow makes it: so it was validated.

const ONE = 2 ** 22; // Pillow's weights are whole numbers of 22 bits

// The largest centred part of the input's proportions.
export function centred(width, height, [, high, wide]) {
  const w = Math.min(width, Math.max(1, Math.floor((height * wide) / high)));
  const h = Math.min(height, Math.max(1, Math.floor((width * high) / wide)));
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

// From that part's bytes (red, green, blue, alpha) to the input: channel after channel in [0, 1].
export function input(rgba, width, { shape: [channels, high, wide], interpolation }) {
  const size = rgba.length / 4, planes = [];
  for (let c = 0; c < channels; c++) {
    const plane = new Uint8ClampedArray(size);
    for (let i = 0; i < size; i++)
      plane[i] = channels === 3 ? rgba[4 * i + c]
        : (19595 * rgba[4 * i] + 38470 * rgba[4 * i + 1] + 7471 * rgba[4 * i + 2] + 32768) >> 16;
    planes.push(resized(resized(plane, width, wide, interpolation), size / width, high, interpolation));
  }
  return Float32Array.from(planes.flatMap(plane => [...plane]), value => value * Math.fround(1 / 255));
}

// Every row of a plane made `count` long, rounded to bytes; the result is transposed: twice makes a picture.
function resized(plane, length, count, interpolation) {
  const rows = plane.length / length, made = new Uint8ClampedArray(count * rows);
  weights(length, count, interpolation).forEach(([first, values], x) => {
    for (let y = 0; y < rows; y++) {
      let sum = ONE / 2;
      for (let i = 0; i < values.length; i++) sum += values[i] * plane[y * length + first + i];
      made[x * rows + y] = Math.floor(sum / ONE);
    }
  });
  return made;
}

// For each of `count` outputs the first input it is made of, and the weights from there: antialiased.
function weights(size, count, interpolation) {
  const scale = size / count, stretch = Math.max(scale, 1), reach = (interpolation === "bicubic" ? 2 : 1) * stretch;
  return Array.from({ length: count }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5)), last = Math.min(size, Math.trunc(centre + reach + 0.5));
    const values = Array.from({ length: last - first }, (_, j) =>
      kernel((j + first - centre + 0.5) * (1 / stretch), interpolation));
    const share = 1 / values.reduce((a, b) => a + b, 0);
    return [first, values.map(value => Math.trunc(value * share * ONE + (value < 0 ? -0.5 : 0.5)))];
  });
}

function kernel(distance, interpolation) {
  const x = Math.abs(distance), a = -0.5;
  if (interpolation !== "bicubic") return Math.max(0, 1 - x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

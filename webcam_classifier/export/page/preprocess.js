// From the camera's pixels to the graph's input, as webcam_classifier/preprocess.py does it with
// OpenCV: crop, halve by averaging, then one resize to the square. Plain arithmetic, no DOM.

const COEFFICIENT_BITS = 11; // OpenCV's fixed point of INTER_LINEAR on bytes
const COEFFICIENT_SCALE = 1 << COEFFICIENT_BITS;
const fround = Math.fround;

/**
 * The square that the graph takes.
 *
 * @param {{data: Uint8ClampedArray | Uint8Array, width: number, height: number}} image RGBA, as ImageData.
 * @param {number} size The side of the square, in pixels.
 * @param {{left: number, top: number, width: number, height: number} | null} crop Fractions of the
 *   picture's sides; null is all of it.
 * @returns {Uint8Array} size x size x 3, blue green red.
 */
export function prepare(image, size, crop = null) {
  let picture = blueGreenRed(image, cropBox(image.width, image.height, crop));
  while (Math.min(picture.width, picture.height) >= 2 * size) picture = halved(picture);
  // Linear interpolation looks at two pixels a side: beyond a factor of two it skips pixels.
  while (Math.max(picture.width, picture.height) > 2 * size) picture = longSideHalved(picture);
  if (picture.width === size && picture.height === size) return picture.data;
  return resizedLinear(picture, size);
}

/**
 * A crop in pixels, as `Crop.box`: [left, top, right, bottom], the last two outside.
 *
 * @returns {[number, number, number, number]}
 */
export function cropBox(width, height, crop) {
  if (!crop) return [0, 0, width, height];
  const left = Math.min(width - 1, roundHalfEven(crop.left * width));
  const top = Math.min(height - 1, roundHalfEven(crop.top * height));
  const right = Math.min(width, Math.max(left + 1, roundHalfEven((crop.left + crop.width) * width)));
  const bottom = Math.min(height, Math.max(top + 1, roundHalfEven((crop.top + crop.height) * height)));
  return [left, top, right, bottom];
}

/** Rounding of Python, and of OpenCV's cvRound. */
function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

function blueGreenRed(image, [left, top, right, bottom]) {
  const width = right - left;
  const height = bottom - top;
  const data = new Uint8Array(width * height * 3);
  const source = image.data;
  let to = 0;
  for (let y = top; y < bottom; y++) {
    let from = (y * image.width + left) * 4;
    for (let x = 0; x < width; x++, from += 4, to += 3) {
      data[to] = source[from + 2];
      data[to + 1] = source[from + 1];
      data[to + 2] = source[from];
    }
  }
  return { data, width, height };
}

/** INTER_AREA by exactly two; an odd last row or column goes. */
function halved(picture) {
  const width = picture.width >> 1;
  const height = picture.height >> 1;
  const source = picture.data;
  const stride = picture.width * 3;
  const data = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = 2 * y * stride;
    for (let x = 0; x < width; x++, from += 6) {
      for (let channel = 0; channel < 3; channel++, to++) {
        const at = from + channel;
        data[to] = (source[at] + source[at + 3] + source[at + stride] + source[at + stride + 3] + 2) >> 2;
      }
    }
  }
  return { data, width, height };
}

/** Interpolated in the middle of each two pixels of the longer side; an odd last one goes. */
function longSideHalved(picture) {
  const isWide = picture.width > picture.height;
  const width = isWide ? picture.width >> 1 : picture.width;
  const height = isWide ? picture.height : picture.height >> 1;
  const source = picture.data;
  const stride = picture.width * 3;
  const [step, next] = isWide ? [6, 3] : [3, stride];
  const data = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = (isWide ? y : 2 * y) * stride;
    for (let x = 0; x < width; x++, from += step) {
      for (let at = from; at < from + 3; at++) data[to++] = (source[at] + source[at + next] + 1) >> 1;
    }
  }
  return { data, width, height };
}

/** Where INTER_LINEAR looks: centres of pixels lie on centres. */
function tap(place, scale) {
  const at = fround((place + 0.5) * scale - 0.5);
  const first = Math.floor(at);
  return [first, fround(at - first)];
}

/** Two neighbours and their weights, in fixed point, for each place of a side. */
function linearTaps(length, size) {
  const scale = 1 / (size / length); // as OpenCV comes to it: length / size can round otherwise
  const first = new Int32Array(size);
  const second = new Int32Array(size);
  const firstWeight = new Int32Array(size);
  const secondWeight = new Int32Array(size);
  for (let place = 0; place < size; place++) {
    let [at, share] = tap(place, scale);
    if (at < 0) [at, share] = [0, 0];
    if (at >= length - 1) [at, share] = [length - 1, 0];
    first[place] = at;
    second[place] = Math.min(at + 1, length - 1);
    firstWeight[place] = roundHalfEven(fround(fround(1 - share) * COEFFICIENT_SCALE));
    secondWeight[place] = roundHalfEven(fround(share * COEFFICIENT_SCALE));
  }
  return { first, second, firstWeight, secondWeight };
}

/** OpenCV's linear interpolation of bytes: rows in fixed point of 11 bits, then columns. */
function resizedLinear(picture, size) {
  const across = linearTaps(picture.width, size);
  const down = linearTaps(picture.height, size);
  const stride = picture.width * 3;
  const source = picture.data;
  const length = size * 3;
  const rows = new Map(); // interpolated rows that the next place may need again
  const row = (y) => {
    let found = rows.get(y);
    if (found) return found;
    found = new Int32Array(length);
    const start = y * stride;
    for (let x = 0, to = 0; x < size; x++) {
      const a = start + across.first[x] * 3;
      const b = start + across.second[x] * 3;
      const weightA = across.firstWeight[x];
      const weightB = across.secondWeight[x];
      for (let channel = 0; channel < 3; channel++, to++) {
        found[to] = source[a + channel] * weightA + source[b + channel] * weightB;
      }
    }
    if (rows.size > 2) rows.delete(rows.keys().next().value);
    rows.set(y, found);
    return found;
  };
  const data = new Uint8Array(size * length);
  let to = 0;
  for (let y = 0; y < size; y++) {
    const upper = row(down.first[y]);
    const lower = row(down.second[y]);
    const upperWeight = down.firstWeight[y];
    const lowerWeight = down.secondWeight[y];
    for (let x = 0; x < length; x++, to++) {
      data[to] = ((((upperWeight * (upper[x] >> 4)) >> 16) + ((lowerWeight * (lower[x] >> 4)) >> 16) + 2) >> 2);
    }
  }
  return data;
}

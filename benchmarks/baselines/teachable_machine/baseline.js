// @teachablemachine/image with the network that its site trains on: MobileNet V2 of width 0.35 and
// two dense layers. Its weights are random, which changes nothing about the time that it takes.

// Expansion, channels at width 1, blocks, first stride: table 2 of Sandler et al., "MobileNetV2", 2018.
const STAGES = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]];
const WIDTH = 0.35;
const LAST = 1280; // not narrowed below width 1

const channels = (count) => {
  const rounded = Math.max(8, Math.floor((count * WIDTH + 4) / 8) * 8);
  return rounded < 0.9 * count * WIDTH ? rounded + 8 : rounded;
};

function normalised(value, isActive) {
  const scaled = tf.layers.batchNormalization().apply(value);
  return isActive ? tf.layers.reLU({ maxValue: 6 }).apply(scaled) : scaled;
}

function pointwise(value, filters, isActive) {
  return normalised(tf.layers.conv2d({ filters, kernelSize: 1, useBias: false }).apply(value), isActive);
}

function block(value, expansion, filters, strides) {
  const given = value.shape[3];
  let inner = expansion > 1 ? pointwise(value, expansion * given, true) : value;
  inner = tf.layers.depthwiseConv2d({ kernelSize: 3, strides, padding: "same", useBias: false }).apply(inner);
  inner = pointwise(normalised(inner, true), filters, false);
  return strides === 1 && given === filters ? tf.layers.add().apply([value, inner]) : inner;
}

/** Build the model as Teachable Machine holds it once it is loaded. */
async function openBaseline(backend) {
  if (!(await tf.setBackend(backend))) throw new Error(`there is no ${backend} here`);
  const input = tf.input({ shape: [224, 224, 3] });
  const first = { filters: channels(32), kernelSize: 3, strides: 2, padding: "same", useBias: false };
  let value = normalised(tf.layers.conv2d(first).apply(input), true);
  for (const [expansion, count, blocks, stride] of STAGES) {
    for (let number = 0; number < blocks; number++) {
      value = block(value, expansion, channels(count), number ? 1 : stride);
    }
  }
  value = tf.layers.globalAveragePooling2d({}).apply(pointwise(value, LAST, true));
  value = tf.layers.dense({ units: 100, activation: "relu" }).apply(value);
  value = tf.layers.dense({ units: 3, activation: "softmax", useBias: false }).apply(value);
  const model = tf.model({ inputs: input, outputs: value });
  window.baseline = new tmImage.CustomMobileNet(model, { labels: ["a", "b", "c"] });
  return model.countParams();
}

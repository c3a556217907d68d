// Draw the frame that a video shows onto a canvas, scaled down if it is large.

/**
 * @param {HTMLVideoElement} video that has a picture
 * @param {HTMLCanvasElement} canvas takes the frame's shape
 * @param {number} longerSide pixels at the most
 */
export function drawFrame(video, canvas, longerSide) {
  const { videoWidth: width, videoHeight: height } = video;
  const scale = Math.min(1, longerSide / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
}

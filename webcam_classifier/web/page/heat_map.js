// Heat over the places of the picture that count for its label, while somebody wants to see it.

import { find } from "./elements.js";
import { alert } from "./notices.js";

/** @typedef {import("./types.js").HeatMapMessage} HeatMapMessage */

const OPACITY = 0.65; // at the hottest place
/** Colours from cold to hot, red green blue, evenly spaced: matplotlib's `inferno`, as in the window of live.py. */
const COLOURS = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const HOTTEST = 255;

export class HeatMap {
  #button = find("heat-map", HTMLButtonElement);
  #places = document.createElement("canvas"); // a pixel for each place
  #connection;

  /** @param {import("./connection.js").Connection} connection */
  constructor(connection) {
    this.#connection = connection;
    this.#button.addEventListener("click", () => this.#turn(!this.#isOn));
  }

  get #isOn() {
    return this.#button.getAttribute("aria-pressed") === "true";
  }

  /**
   * Draw the heat that came with a picture over it.
   *
   * @param {CanvasRenderingContext2D} context of the picture's canvas
   * @param {HeatMapMessage | null} [message] null while there is no label
   */
  draw(context, message) {
    if (!message || !this.#isOn) return;
    if (message.problem !== null) {
      this.#turn(false);
      alert(message.problem);
      return;
    }
    const places = this.#draw(message.rows);
    if (places === null) return;
    const { left, top, width, height } = message.crop ?? { left: 0, top: 0, width: 1, height: 1 };
    const { width: across, height: down } = context.canvas;
    context.imageSmoothingQuality = "high";
    context.drawImage(places, left * across, top * down, width * across, height * down);
  }

  /**
   * @param {number[][]} rows
   * @returns {HTMLCanvasElement | null} null without a place
   */
  #draw(rows) {
    const across = rows[0]?.length ?? 0;
    const context = this.#places.getContext("2d");
    if (across === 0 || context === null) return null;
    this.#places.width = across;
    this.#places.height = rows.length;
    const pixels = context.createImageData(across, rows.length);
    for (const [place, heat] of rows.flat().entries())
      pixels.data.set([...colourOf(heat / HOTTEST), OPACITY * heat], 4 * place);
    context.putImageData(pixels, 0, 0);
    return this.#places;
  }

  /** @param {boolean} on */
  #turn(on) {
    this.#button.setAttribute("aria-pressed", String(on));
    this.#connection.wantHeatMaps(on);
  }
}

/**
 * @param {number} heat 0 to 1
 * @returns {number[]} red, green and blue
 */
function colourOf(heat) {
  const place = heat * (COLOURS.length - 1);
  const colder = COLOURS[Math.floor(place)] ?? [0, 0, 0];
  const hotter = COLOURS[Math.ceil(place)] ?? colder;
  return colder.map((value, channel) => value + ((hotter[channel] ?? 0) - value) * (place % 1));
}

// The top of the page: the connection, the data set, and who teaches.

import { find, setText } from "./elements.js";
import { texts } from "./texts.js";

/** @typedef {import("./connection.js").Connection} Connection */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Link} Link */

export class Presence {
  #where = find("where", HTMLParagraphElement);
  #teacher = find("teacher", HTMLSpanElement);
  #claim = find("claim", HTMLButtonElement);
  #release = find("release", HTMLButtonElement);
  #link = find("connection", HTMLSpanElement);
  #trouble = find("trouble", HTMLParagraphElement);
  #offline = find("offline", HTMLDivElement);

  /** @param {Connection} connection */
  constructor(connection) {
    this.#claim.addEventListener("click", () => connection.claim());
    this.#release.addEventListener("click", () => connection.release());
  }

  /** @param {State} state */
  update(state) {
    setText(this.#where, `${state.dataset} · ${state.backbone} · ${state.runtime}`);
    this.#where.title = state.dataset_folder;
    const alone = state.viewers === 1;
    setText(
      this.#teacher,
      { you: alone ? "" : texts.top.youTeach, other: texts.top.otherTeaches, none: "" }[
        state.teacher ?? "none"
      ],
    );
    this.#claim.hidden = state.teacher !== "other";
    this.#release.hidden = state.teacher !== "you" || alone;
    setText(this.#trouble, state.problem ?? "");
    this.#trouble.hidden = !state.problem;
    document.body.dataset.teacher = state.teacher ?? "none";
  }

  /**
   * @param {Link} link
   * @param {string} problem why the studio does not let this page in
   */
  showLink(link, problem) {
    document.body.dataset.link = link;
    this.#link.dataset.state = link;
    setText(this.#link, texts.link[link]);
    const lost = texts.link.awayTriedAgain;
    setText(this.#offline, { connecting: "", connected: "", lost, refused: problem }[link]);
  }
}

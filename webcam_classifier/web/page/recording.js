// The current recording, and everything that must end it.

/** @typedef {import("./studio.js").Studio} Studio */

export class Recording {
  /** The label that is being recorded here, or null. @type {string | null} */
  label = null;

  #holder = "";
  #studio;
  #onChange;

  /**
   * @param {Studio} studio
   * @param {() => void} onChange
   */
  constructor(studio, onChange) {
    this.#studio = studio;
    this.#onChange = onChange;
    // If the page loses the focus, the release of a key would not be reported.
    addEventListener("blur", () => this.stop());
    addEventListener("pagehide", () => this.stop());
    document.addEventListener("visibilitychange", () => this.stop());
  }

  /**
   * Begin to record a label; what was recorded before ends.
   *
   * @param {string} label
   * @param {string} holder what holds it: only its release, or `stop`, ends it
   */
  begin(label, holder) {
    if (!this.#studio.mayTeach || (this.label === label && this.#holder === holder)) return;
    this.stop();
    this.label = label;
    this.#holder = holder;
    this.#studio.connection.record(label, true);
    this.#onChange();
  }

  /** @param {string} holder */
  release(holder) {
    if (holder === this.#holder) this.stop();
  }

  /** End it, whoever holds it. */
  stop() {
    if (this.label === null) return;
    this.#studio.connection.record(this.label, false);
    this.label = null;
    this.#holder = "";
    this.#onChange();
  }

  /** End it if it may not go on: somebody else teaches, the link is lost, or the label is gone. */
  check() {
    const known = this.#studio.state?.labels.some((label) => label.name === this.label);
    if (this.label !== null && (!this.#studio.mayTeach || !known)) this.stop();
  }
}

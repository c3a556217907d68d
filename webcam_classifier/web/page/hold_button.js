// Make a button act while it is held, by mouse, touch, Space or Enter.

/**
 * @param {HTMLButtonElement} button
 * @param {() => void} onHold
 * @param {() => void} onRelease may come without a hold before it
 */
export function holdButton(button, onHold, onRelease) {
  let toggled = false; // by a screen reader's click, which has no duration

  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || button.disabled) return;
    button.setPointerCapture(event.pointerId); // the release counts wherever the finger is by then
    onHold();
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
    button.addEventListener(kind, () => {
      toggled = false;
      onRelease();
    });
  }
  button.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long touch
  button.addEventListener("dragstart", (event) => event.preventDefault());

  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault(); // no click, no scrolling
    if (!event.repeat) onHold();
  });
  button.addEventListener("keyup", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    onRelease();
  });
  button.addEventListener("click", (event) => {
    const pointed = event instanceof PointerEvent && event.pointerId >= 0;
    if (pointed || event.detail > 0 || button.disabled) return;
    toggled = !toggled;
    if (toggled) onHold();
    else onRelease();
  });
}

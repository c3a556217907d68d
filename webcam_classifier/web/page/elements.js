// Find and make elements. Text from the server only ever becomes text nodes and attributes.

/**
 * Return the element with an id, which index.html must have.
 *
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
export function find(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} with the id ${id}`);
  return found;
}

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * Make an element of a drawing.
 *
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
export function draw(tag, attributes = {}, ...children) {
  const made = /** @type {SVGElement} */ (
    document.createElementNS("http://www.w3.org/2000/svg", tag)
  );
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * Set a text only if it changes, to avoid needless layout and announcements.
 *
 * @param {Node} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make a parent's children match keys, in order; those that stay keep their focus and state.
 *
 * @template {HTMLElement} E
 * @param {Element} parent holds nothing else
 * @param {Map<string, E>} present by key, changed in place
 * @param {readonly string[]} keys each once
 * @param {(key: string) => E} create
 */
export function reconcile(parent, present, keys, create) {
  const wanted = new Set(keys);
  for (const [key, element] of present) {
    if (wanted.has(key)) continue;
    element.remove();
    present.delete(key);
  }
  keys.forEach((key, place) => {
    const element = present.get(key) ?? create(key);
    present.set(key, element);
    if (parent.children[place] !== element)
      parent.insertBefore(element, parent.children[place] ?? null);
  });
}

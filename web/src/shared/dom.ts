// What the scripts of all pages do with their elements.

/** The element of that id, which the server has put there. */
export function the<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as unknown as T;
}

/** Writes a text, where it is another one: who listens to the element hears each change once. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides an element. */
export function show(element: Element, isShown: boolean): void {
  element.toggleAttribute("hidden", !isShown);
}

/** A new element with a text in it. */
export function made<K extends keyof HTMLElementTagNameMap>(name: K, text: string, className = ""): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

// Elements without HTML in texts, and changes of a page that leave alone what has not changed: what is focused stays focused,
// what is selected stays selected.

type Child = Node | string | null | false | undefined;
type Attributes = Record<string, string | number | boolean | null | undefined>;

/** An element. Attributes that are null, undefined or false are left out; a text is never read as HTML. */
export function h(name: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) element.append(child);
  return element;
}

/** Makes `before` what `after` is. Elements marked `data-keep` are looked after by somebody else, and keep what is in them. */
export function morph(before: Element, after: Element): void {
  for (const { name } of Array.from(before.attributes)) {
    if (!after.hasAttribute(name) && !isKept(before, name)) before.removeAttribute(name);
  }
  for (const { name, value } of Array.from(after.attributes)) if (before.getAttribute(name) !== value) before.setAttribute(name, value);
  if (before.hasAttribute("data-keep")) return;
  const [old, young] = [Array.from(before.childNodes), Array.from(after.childNodes)];
  young.forEach((node, index) => {
    const there = old[index];
    if (!there) before.append(node);
    else if (!isAlike(there, node)) there.replaceWith(node);
    else if (there instanceof Element) morph(there, node as Element);
    else if (there.nodeValue !== node.nodeValue) there.nodeValue = node.nodeValue;
  });
  for (const extra of old.slice(young.length)) extra.remove();
}

/** What the page itself has set on an element: colours and lengths, and all of what somebody else looks after. */
function isKept(element: Element, name: string): boolean {
  return name === "style" || element.hasAttribute("data-keep");
}

function isAlike(one: Node, other: Node): boolean {
  if (one.nodeType !== other.nodeType) return false;
  if (!(one instanceof Element) || !(other instanceof Element)) return true;
  return one.nodeName === other.nodeName && one.getAttribute("data-key") === other.getAttribute("data-key");
}

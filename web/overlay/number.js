// Numbers that count from one figure to the next, and end on exactly the text that the service gave.

/**
 * @param {string} text such as `56,73 %`
 * @returns {((value: number) => string) | null} writes other numbers in the same way; null where it is no number
 */
export function writerLike(text) {
  const found = /^(\D*)\d[\d\u00a0\u202f., ]*?(?:([.,])(\d+))?(\s*%?)$/.exec(text);
  if (!found) return null;
  const [, before, separator, decimals, after] = found;
  const places = decimals ? decimals.length : 0;
  return (value) => before + value.toFixed(places).replace(".", separator || ".") + after;
}

export class Counter {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.text = element.firstChild || element.appendChild(document.createTextNode(""));
    /** Where it is now. @type {number | null} */
    this.current = null;
    this.to = "";
    this.frame = 0;
  }

  /**
   * @param {number | null} value
   * @param {string} text how it is written
   * @param {number} milliseconds
   */
  set(value, text, milliseconds) {
    if (text === this.to) return;
    const from = this.current;
    const writer = value === null ? null : writerLike(text);
    this.to = text;
    cancelAnimationFrame(this.frame);
    if (!writer || value === null || from === null || milliseconds <= 0) {
      this.current = value;
      this.write(text);
      return;
    }
    const began = performance.now();
    const step = (/** @type {number} */ now) => {
      const part = Math.min(1, Math.max(0, (now - began) / milliseconds));
      const eased = 1 - Math.pow(1 - part, 3);
      this.current = from + (value - from) * eased;
      this.write(part < 1 ? writer(this.current) : text);
      if (part < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  /** @param {string} text */
  write(text) {
    // A text node's data: no node is made or thrown away from frame to frame.
    if (/** @type {Text} */ (this.text).data !== text) /** @type {Text} */ (this.text).data = text;
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }
}

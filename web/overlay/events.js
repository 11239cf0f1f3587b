// Server-sent events, read from the text of a stream.
//
// The browser's own EventSource gives up for good on a 503, and does not tell of comments, by which we know that a
// stream without news is alive.

/** More than any event of ours by far; a stream without an end of line is none. */
const MOST_CHARACTERS = 4 * 1024 * 1024;

export class EventReader {
  /**
   * @param {(event: {type: string, data: string, id: string}) => void} onEvent
   * @param {(milliseconds: number) => void} onRetry what the server says of coming back
   */
  constructor(onEvent, onRetry) {
    this.onEvent = onEvent;
    this.onRetry = onRetry;
    this.rest = "";
    this.id = "";
    this.type = "";
    /** @type {string[]} */
    this.data = [];
    this.isFirst = true;
  }

  /** @param {string} text the next piece; it may end anywhere, within a line end too */
  push(text) {
    if (this.isFirst && text !== "") {
      this.isFirst = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    this.rest += text;
    if (this.rest.length > MOST_CHARACTERS) throw new Error("an event of the stream has no end");
    for (;;) {
      const found = /\r\n|\n|\r/.exec(this.rest);
      // A carriage return at the very end may be the half of a line end.
      if (!found || (found[0] === "\r" && found.index === this.rest.length - 1)) return;
      const line = this.rest.slice(0, found.index);
      this.rest = this.rest.slice(found.index + found[0].length);
      this.line(line);
    }
  }

  /** @param {string} line */
  line(line) {
    if (line === "") {
      const event = { type: this.type || "message", data: this.data.join("\n"), id: this.id };
      const isOne = this.data.length > 0;
      this.type = "";
      this.data = [];
      if (isOne) this.onEvent(event);
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.charAt(0) === " ") value = value.slice(1);
    if (field === "data") this.data.push(value);
    else if (field === "event") this.type = value;
    else if (field === "id" && value.indexOf("\0") < 0) this.id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.onRetry(Number(value));
  }
}

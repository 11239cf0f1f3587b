/** An event of a stream: its type, and its data. */
export type OnEvent = (type: string, data: string) => void;

/** More than any event of the service by far. */
const MOST_CHARACTERS = 4 * 1024 * 1024;

/**
 * Reads server-sent events from pieces of text, which may end anywhere. The browser's EventSource gives up for good at a
 * 503, and does not tell of comments, by which one knows that a stream without news is alive.
 */
export function eventReader(onEvent: OnEvent, onField: (name: string, value: string) => void) {
  let rest = "";
  let type = "message";
  let data: string[] = [];
  return (text: string) => {
    // A carriage return at the very end may be half of a line end.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    if (rest.length > MOST_CHARACTERS) throw new Error("an event of the stream has no end");
    for (const line of lines) {
      if (!line) {
        if (data.length) onEvent(type, data.join("\n"));
        type = "message";
        data = [];
        continue;
      }
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line)!;
      if (name === "data") data.push(value!);
      else if (name === "event") type = value!;
      else onField(name!, value!);
    }
  };
}

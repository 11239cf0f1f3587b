// Times in a zone, for all browsers: `timeZoneName: "longOffset"` is an error before Chrome 95 and Safari 15.4.

/** The time in the zone, without its offset: `2026-11-24T22:00:00`. */
export function localText(at: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", {
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone,
  }).formatToParts(at);
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? "";
  return `${of("year")}-${of("month")}-${of("day")}T${of("hour")}:${of("minute")}:${of("second")}`;
}

/** What the zone's clocks are ahead of UTC then: `-03:00`. */
export function offsetText(at: number, timeZone: string): string {
  const minutes = Math.round((Date.parse(`${localText(at, timeZone)}Z`) - at) / 60_000);
  const two = (value: number) => String(Math.abs(value)).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}

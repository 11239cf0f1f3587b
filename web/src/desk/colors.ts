// Colours of candidates that can be told from the background: 3:1 at least (WCAG 2.2, 1.4.11).

/** For candidates without a colour of their own. */
const OWN = ["#ff5c8a", "#3aa0ff", "#ffb000", "#2fbf71", "#b58cff", "#ff7f2a", "#19c3c8", "#c9b458"];

/** How each candidate's line is broken, so that none is told by its colour alone. */
const DASHES: number[][] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 5], [4, 4], [1, 5], [12, 3, 3, 3]];

type Rgb = [number, number, number];

export function dashOf(index: number): number[] {
  return DASHES[index % DASHES.length] ?? [];
}

/** The colour in which a candidate is drawn on that background. */
export function colorOf(color: string | undefined, index: number, background: string): string {
  const wanted = parse(color) ?? parse(OWN[index % OWN.length]) ?? [128, 128, 128];
  const ground = parse(background) ?? [0, 0, 0];
  const towards: Rgb = luminance(ground) < 0.2 ? [255, 255, 255] : [0, 0, 0];
  for (let part = 0; part < 1; part += 0.05) {
    const mixed = wanted.map((value, place) => Math.round(value + ((towards[place] ?? 0) - value) * part)) as Rgb;
    if (contrast(mixed, ground) >= 3) return hex(mixed);
  }
  return hex(towards);
}

/** The contrast of two colours `#rrggbb`, from 1 to 21. */
export function contrastOf(one: string, other: string): number {
  return contrast(parse(one) ?? [0, 0, 0], parse(other) ?? [0, 0, 0]);
}

function contrast(one: Rgb, other: Rgb): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(color: Rgb): number {
  const [red, green, blue] = color.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function parse(color: string | undefined): Rgb | null {
  const found = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color ?? "");
  return found ? (found.slice(1).map((part) => Number.parseInt(part, 16)) as Rgb) : null;
}

function hex(color: Rgb): string {
  return `#${color.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

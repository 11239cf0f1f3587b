"""Writes what was measured into docs/measured.md, and its figures into docs/measured: `python -m measured.page --from target/bench`.

What was not measured this time stays as it was. With `--check` nothing is written, and the page is compared with the figures
beside it.
"""

import argparse
import pathlib
import re
import sys

from lib import ROOT
from lib.report import Failed, main, passed
from measured import bounds, seen

PAGE = ROOT / "docs/measured.md"
PLOT = ROOT / "docs/pictures/votes.svg"


def with_block(text: str, name: str, block: str) -> str:
    pattern = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise Failed(f"{PAGE.relative_to(ROOT)} has no block `{name}`")
    return pattern.sub(lambda _: f"{block.strip()}\n", text)


def place(machine: dict) -> str:
    return (
        f"{machine['date']}, commit {machine['commit']}; {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}; "
        f"Redis {machine['redis']}, {machine['rustc']}"
    )


def spread(value: dict) -> str:
    decimals = next((few for most, few in ((1, 3), (10, 2), (1_000, 1)) if value["max"] < most), 0)
    least, median, most = (f"{value[which]:,.{decimals}f}" for which in ("min", "median", "max"))
    return median if least == most else f"{median} ({least} to {most})"


def chart(found: dict) -> str:
    labels = [curve["label"] for curve in found["curves"]]
    sizes = sorted({point["size"] for curve in found["curves"] for point in curve["points"]})
    lines = [
        f"**{found['title']}** ({found['unit']})\n",
        f"| {found['size']} | {' | '.join(labels)} |",
        f"| --- |{' --- |' * len(labels)}",
    ]
    for size in sizes:
        values = [{point["size"]: point["value"] for point in curve["points"]} for curve in found["curves"]]
        cells = [spread(of[size]) if size in of else "-" for of in values]
        lines.append(f"| {size:,.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def growth(found: dict) -> str:
    """All curves, below where they were measured."""
    places: dict[str, list[dict]] = {}
    for each in found.get("charts", []):
        places.setdefault(place(each.get("machine", found["machine"])), []).append(each)
    parts = [f"{where}.\n\n" + "\n\n".join(map(chart, charts)) for where, charts in places.items()]
    return "\n\n".join(parts)


def take(folder: pathlib.Path) -> str:
    """Takes over what lies there; the page with it."""
    text = PAGE.read_text()
    for name in ("table", "minute"):
        if found := seen.read(folder / f"{name}.json"):
            kept_as = "voters" if name == "table" and not seen.is_whole(found) else name
            (seen.FOLDER / f"{kept_as}.json").write_text((folder / f"{name}.json").read_text())
            text = with_block(text, kept_as, (folder / f"{name}.md").read_text())
            if kept_as == "table":
                PLOT.write_text((folder / "table.svg").read_text())
                (seen.FOLDER / "voters.json").unlink(missing_ok=True)
                text = with_block(text, "voters", "They are in the table above.")
    if new := seen.read(folder / "growth.json"):
        path = seen.FOLDER / "growth.json"
        path.write_text(seen.json.dumps(seen.merged(seen.read(path), new), indent=2, ensure_ascii=False) + "\n")
    return text


def write() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="folder", type=pathlib.Path, help="where the targets have written to")
    parser.add_argument("--check", action="store_true", help="write nothing, and compare")
    options = parser.parse_args()
    was = PAGE.read_text()
    text = take(options.folder) if options.folder and not options.check else was
    found = seen.Seen()
    text = with_block(text, "growth", growth(found.growth))
    text = with_block(text, "bounds", bounds.table(found))
    if options.check:
        if text != was:
            raise Failed("docs/measured.md is not what docs/measured/*.json say: `make measured` writes it")
        return passed("docs/measured.md has the figures of docs/measured")
    PAGE.write_text(text)
    return passed("written to docs/measured.md and docs/measured")


if __name__ == "__main__":
    sys.exit(main("measured", write))

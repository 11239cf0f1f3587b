"""One import style: a `use` names one module, and what it takes of it."""

import pathlib
import re
from collections.abc import Iterator

from architecture.source import VISIBILITY, crates, shown, silent

USE = re.compile(rf"^[ \t]*{VISIBILITY}use ([^;]+);", re.MULTILINE)


def check() -> Iterator[str]:
    for crate in crates():
        yield from of(crate)


def of(crate: pathlib.Path) -> Iterator[str]:
    for path in sorted(crate.rglob("*.rs")):
        text = silent(path.read_text())
        for found in USE.finditer(text):
            _, brace, group = found[1].partition("{")
            if brace and "::" in group:
                line = text.count("\n", 0, found.start(1)) + 1
                yield f"{shown(path)}:{line}: names several modules: a `use` for each"

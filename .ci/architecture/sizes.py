"""No file and no function of product code is longer than a reader can hold. The code is formatted by rustfmt."""

import pathlib
import re
from collections.abc import Iterator

from architecture.source import VISIBILITY, crates, end_of_item, product, shown

MOST_OF_FILE = 450
MOST_OF_FUNCTION = 60
FUNCTION = re.compile(rf"^[ \t]*{VISIBILITY}(?:const )?(?:async )?(?:unsafe )?(?:extern +)?fn (\w+)", re.MULTILINE)


def check() -> Iterator[str]:
    for crate in crates():
        yield from of(crate)


def of(crate: pathlib.Path) -> Iterator[str]:
    for path, text in product(crate).items():
        lines = text.count("\n")
        if lines > MOST_OF_FILE:
            yield f"{shown(path)} has {lines} lines without its tests, and may have {MOST_OF_FILE}"
        for found in FUNCTION.finditer(text):
            lines = text[found.start() : end_of_item(text, found.end())].strip("\n").count("\n") + 1
            if lines > MOST_OF_FUNCTION:
                yield f"{shown(path)}: {found[1]} has {lines} lines, and may have {MOST_OF_FUNCTION}"

"""The table of crates in ARCHITECTURE.md has each crate of the workspace, and no other."""

import pathlib
import re
from collections.abc import Iterator

from architecture.crates import packages
from lib import ROOT


def check() -> Iterator[str]:
    there = {str(pathlib.Path(one["manifest_path"]).parent.relative_to(ROOT)) for one in packages()}
    told = set(re.findall(r"^\| *`(crates/[\w-]+)` *\|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
    for crate in sorted(there - told):
        yield f"ARCHITECTURE.md: the table has no `{crate}`"
    for crate in sorted(told - there):
        yield f"ARCHITECTURE.md: the table has `{crate}`, which is not there"

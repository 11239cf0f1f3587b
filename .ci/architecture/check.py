#!/usr/bin/env python3
"""Checks how crates and files use each other, so that the layers stay layers and a file stays readable: `make architecture`.

Each check is a function that yields what is wrong, in a file of its own.
"""

from architecture import circles, crates, imports, proof, sizes, table
from lib import report
from lib.report import passed, wrong

CHECKS = {
    "dependencies": crates.dependencies,
    "the domain alone": crates.domain,
    "the operator's tool": crates.operator,
    "table of crates": table.check,
    "sizes": sizes.check,
    "imports": imports.check,
    "circles": circles.check,
    "these checks can fail": proof.check,
}


def check() -> None:
    for name, one in CHECKS.items():
        found = list(one())
        for text in found:
            wrong(name, text)
        if not found:
            passed(name)


if __name__ == "__main__":
    raise SystemExit(report.main("architecture", check))

#!/usr/bin/env python3
"""Checks how crates and files use each other, so that the layers stay layers and a file stays readable: `make architecture`.

Each check is a function that yields what is wrong, in a file of its own. One that is named in NOT_YET only says so.
"""

from architecture import circles, crates, imports, proof, sizes, table
from lib import report
from lib.report import left_out, passed, wrong

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
# What does not hold yet, and fails nothing until it does: a name is taken out as soon as its check passes.
NOT_YET = {"dependencies", "the operator's tool", "table of crates", "sizes", "imports", "circles"}


def check() -> None:
    for name, one in CHECKS.items():
        found = list(one())
        if found and name in NOT_YET:
            left_out(f"{name}: {len(found)} findings, such as {found[0]}")
            continue
        for text in found:
            wrong(name, text)
        if not found:
            passed(name + (": take it out of NOT_YET" if name in NOT_YET else ""))


if __name__ == "__main__":
    raise SystemExit(report.main("architecture", check))

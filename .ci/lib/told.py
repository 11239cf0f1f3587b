"""What docs/production.md tells of a check: its counts have to be those of this run.

Counts of what is checked alone. What was measured (times, votes) is of the one run that the page is about.
"""

import re

from lib import ROOT

PAGE = ROOT / "docs/production.md"

# Of each check: what a line of it says, with the number in brackets, and how the page says it.
COUNTS = {
    "chart-check": (
        (r"^lint +(\d+) scenarios", "{} scenarios"),
        (r"^kubernetes +(\d+) resources", "{} resources"),
        (r"^refusals +(\d+) wrong or impossible values", "{} wrong or impossible values"),
        (r"^self-test +(\d+) mistakes made on purpose", "{} mistakes made on purpose"),
        (r"^lookups .* what (\d+) clusters have", "{} clusters"),
    ),
    "monitoring-check": (
        (r"cases for (\d+) alerts", "{} alerts"),
        (r"^structure: .* (\d+) panels", "{} panels"),
        (r"rule files with (\d+) rules", "{} rules"),
    ),
    "workflows-check": (
        (r"(\d+) mistakes were found", "{} mistakes made on purpose"),
        (r"^delivery\.sh: .* in (\d+) scenarios", "{} scenarios"),
    ),
}


def problems(check: str, said: list[str]) -> list[str]:
    """What the page tells that the check has not just said. Nothing of a check that has left something out."""
    if check not in COUNTS or any("left out" in line.lower() for line in said):
        return []
    return compared(COUNTS[check], said, entry(check, PAGE.read_text()))


def entry(check: str, page: str) -> str:
    """The check's item of the page's list, in one line; nothing where it has none."""
    found = re.search(rf"^- `{check}`:(.*?)(?=^- |^<!-- )", page, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def compared(counts: tuple, said: list[str], told: str) -> list[str]:
    found = []
    for pattern, form in counts:
        numbers = [match[1] for line in said if (match := re.search(pattern, line))]
        if len(numbers) != 1:
            found.append(f".ci/lib/told.py: {len(numbers)} lines of the check have /{pattern}/, not one")
            continue
        right = form.format(numbers[0])
        if not re.search(rf"(?<![\w,.]){re.escape(right)}\b", told):
            found.append(f"docs/production.md tells something else than “{right}”, which was counted now")
    return found


def self_test() -> None:
    """It has to see a number that has changed, one that is gone, and a line that is not said any more."""
    counts = ((r"^a +(\d+) things", "{} things"),)
    page = "- `other`: 8 things\n- `one`:\n  12\n  things, each\n<!-- end -->\n8 things\n"
    told = entry("one", page)
    assert told == "12 things, each", told
    assert compared(counts, ["a   12 things"], told) == []
    for said in (["a   2 things"], ["a   13 things"], ["b   12 things"], []):
        assert len(compared(counts, said, told)) == 1, said
    assert entry("none", page) == ""


self_test()

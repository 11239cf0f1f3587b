"""How every check says what it has looked at and what it found, and how it ends.

A process runs one check, so its findings are this module's. A check either collects findings with `wrong`, or stops at
the first by `Failed`; both end in the same way.
"""

import signal
import sys
import time
from collections.abc import Callable

from lib import told

findings: list[str] = []
# What was said to hold, or to be left out.
held: list[str] = []


class Failed(Exception):
    """What did not hold, where nothing after it makes sense."""


class Ended(Failed):
    """What was waited for can't come any more."""


class Skipped(Exception):
    """Why nothing can be checked on this machine."""


def say(text: str) -> None:
    print(text, flush=True)


def title(text: str) -> None:
    say(f"\n--- {text}")


def passed(text: str) -> None:
    held.append(text)
    say(f"  ok  {text}")


def left_out(text: str) -> None:
    held.append(f"left out: {text}")
    say(f"  --  left out: {text}")


def wrong(where: str, what: str = "", right: str = "") -> None:
    """Where, what is wrong there, and what would be right."""
    text = (f"{where}: {what}" if what else where) + (f"\n    right would be: {right}" if right else "")
    if text not in findings:
        findings.append(text)
        say(f"  WRONG {text}")


def require(holds: object, text: str) -> None:
    if not holds:
        raise Failed(text)
    passed(text)


def main(name: str, check: Callable[[], None]) -> int:
    """Runs a check: 0 if all holds, or if it says why it was left out; 1 if something doesn't hold."""
    # SIGTERM ends it by way of the context managers, which stop what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = time.monotonic()
    said = "all of it holds"
    try:
        check()
        if not findings:
            for problem in told.problems(name, held):
                wrong(problem)
    except Skipped as reason:
        said = f"skipped: {reason}"
    except Failed as error:
        wrong(str(error))
    if findings:
        print(f"{name}: {len(findings)} findings, see WRONG above", file=sys.stderr, flush=True)
        return 1
    say(f"{name}: {said} ({time.monotonic() - start:.0f} s)")
    return 0

"""The one loop that waits for something."""

import subprocess
import time
from collections.abc import Callable

from lib.report import Ended, Failed

# What a probe may raise as long as its answer is "not yet".
NOT_YET = (OSError, Failed, subprocess.SubprocessError, ValueError, KeyError)


class TooLate(Failed):
    """It did not come in time; the text has what was seen last."""


def until(what: str, probe: Callable, patience_s: float = 60, pause_s: float = 0.1):
    """The first answer of `probe` that is true. `Ended` is not waited out."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if last := probe():
                return last
        except Ended:
            raise
        except NOT_YET as error:
            last = error
        if time.monotonic() > deadline:
            raise TooLate(f"{what}: not within {patience_s:g} s; last: {last!r}")
        time.sleep(pause_s)

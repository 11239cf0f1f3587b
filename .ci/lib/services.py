"""Everything on this machine by `votectl dev`: Redis, both services and a demo poll, on free ports."""

import contextlib
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator

from lib.processes import stop
from lib.report import Ended
from lib.wait import until

START_PATIENCE_S = 90
STOP_PATIENCE_S = 30


@contextlib.contextmanager
def services(bin_dir: pathlib.Path, folder: pathlib.Path, settings: dict[str, str]) -> Iterator[dict]:
    """Runs it in that folder, with settings as environment variables; gives the addresses and the poll."""
    ready = folder / "ready.json"
    with ready.open("w") as output:
        dev = subprocess.Popen(
            [bin_dir / "votectl", "--output", "json", "dev", "--data-dir", folder / "data"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            env=os.environ | {"VOTE__LOG__LEVEL": "warn"} | settings,
        )
    try:
        yield until("the services", lambda: addresses(dev, ready), START_PATIENCE_S)
    finally:
        stop(dev, patience_s=STOP_PATIENCE_S)


def addresses(dev: subprocess.Popen, ready: pathlib.Path) -> dict | None:
    if (text := ready.read_text()).endswith("\n"):
        return json.loads(text)
    if dev.poll() is not None:
        raise Ended(f"votectl dev ended by itself ({dev.returncode}), see above")
    return None

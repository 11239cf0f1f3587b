"""What roll.sh does when an old container does not end well, with stand-ins for Docker and Compose: no engine is needed.

A stand-in writes down how it was called, and keeps containers as files: their state, and their exit code.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

from lib import ROOT
from lib.report import Failed, passed, title

URL = "redis://redis:6379"
# CODES is a folder: what a container ends with by its id. RUNNING and ENDED are folders of those that run, and that don't.
DOCKER = f"""#!/bin/sh
echo "docker $*" >> "$CALLS"
for last; do :; done
case "$*" in
  version) ;;
  stop*) mv "$RUNNING/$last" "$ENDED/$last" ;;
  rm*) rm "$ENDED/$last" ;;
  *.Config.Env*) echo VOTE__REDIS__URL={URL} ;;
  inspect*)
    if [ -e "$RUNNING/$last" ]; then state=running code=0; else state=exited code=$(cat "$ENDED/$last"); fi
    case "$*" in *.State.Status*) echo "$state $code" ;; *) echo "$code" ;; esac ;;
  *) echo "stand-in: docker $*" >&2; exit 1 ;;
esac
"""
COMPOSE = f"""#!/bin/sh
echo "compose $*" >> "$CALLS"
case "$*" in
  "ps --all --quiet"*) ls "$RUNNING" "$ENDED" | grep -E '^[a-z]+[0-9]$' ;;
  "ps --quiet"*) ls "$RUNNING" ;;
  "config ingest") echo "      VOTE__REDIS__URL: {URL}" ;;
  "up "*) for old in "$RUNNING"/old*; do echo 0 > "$RUNNING/new${{old##*old}}"; done ;;
  *) echo "stand-in: compose $*" >&2; exit 1 ;;
esac
"""


class Roll:
    """One run of roll.sh over these containers: how it ended, what it said, what it called and what it left."""

    def __init__(self, service: str, codes: tuple[int, ...], *old: str, left: int | None = None, new: bool = False):
        with tempfile.TemporaryDirectory(prefix="paredao-roll-") as folder:
            folder = pathlib.Path(folder)
            running, ended, calls = folder / "running", folder / "ended", folder / "calls"
            running.mkdir(), ended.mkdir(), calls.touch()
            for number, code in enumerate(codes, 1):
                (running / f"old{number}").write_text(str(code))
            if new:
                (running / "new1").write_text("0")
            if left is not None:
                (ended / "left1").write_text(str(left))
            # It waits for the proxy, which there is none of.
            for name, text in (("docker", DOCKER), ("compose", COMPOSE), ("sleep", "#!/bin/sh\n")):
                (folder / name).write_text(text)
                (folder / name).chmod(0o755)
            environment = {"PATH": f"{folder}:{os.environ['PATH']}", "COMPOSE": "compose", "DOCKER": "docker"}
            environment |= {"CALLS": str(calls), "RUNNING": str(running), "ENDED": str(ended)}
            done = subprocess.run(
                [shutil.which("sh"), ROOT / "deploy/compose/roll.sh", service, *old],
                env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
            )  # fmt: skip
            self.code, self.said, self.error = done.returncode, done.stdout, done.stderr
            self.calls = calls.read_text().splitlines()
            self.running, self.kept = (sorted(path.name for path in one.iterdir()) for one in (running, ended))

    def called(self, start: str) -> list[str]:
        return [call.rsplit(" ", 1)[1] for call in self.calls if call.startswith(start)]


def require(holds: bool, what: str, run: Roll) -> None:
    if not holds:
        called = "\n    ".join(run.calls)
        raise Failed(f"roll.sh: {what}\n  exit {run.code}, said:\n{run.said}{run.error}\n  called:\n    {called}")


def check() -> None:
    title("roll.sh with stand-ins for Docker and Compose")
    run = Roll("ingest", (0, 0))
    require(run.code == 0 and run.called("docker rm") == ["old1", "old2"], "both old ones are stopped and taken away", run)
    require(run.running == ["new1", "new2"] and not run.kept, "the new ones are left, and nothing else", run)
    for service, code, says in (
        ("ingest", 3, "accepted votes that Redis may not have"),
        ("ingest", 137, "votectl audit"),
        ("ingest", 1, "exit code 1"),
        ("results", 1, "exit code 1"),
    ):
        what = f"{service} that ends with {code}"
        run = Roll(service, (code, 0))
        require(run.code != 0, f"{what}: it fails", run)
        require(run.kept == ["old1"] and "old1" not in run.said, f"{what}: its container is kept, and not called replaced", run)
        require(run.running == ["new1", "new2", "old2"], f"{what}: no other is stopped", run)
        require(says in run.error and "docker logs old1" in run.error, f"{what}: says {says!r}, and what to do", run)
        require(f"deploy/compose/roll.sh {service} old2\n" in run.error, f"{what}: says how to go on", run)
        run = Roll(service, (0, code))
        require(run.code != 0 and run.kept == ["old2"], f"{what}, after one that ended well: it is kept", run)
        require("replaced old1" in run.said and "old2" not in run.said, f"{what}, after one that ended well: says which", run)
    passed("a container that does not end with 0 is kept with its log, and nothing follows: 3, 137 and others")
    run = Roll("ingest", (0, 0), left=3)
    require(run.code != 0 and run.kept == ["left1"], "one that an earlier run has kept is kept", run)
    require(not run.called("compose up") and not run.called("docker stop"), "beside one that was kept nothing is started", run)
    run = Roll("ingest", (0, 0), left=0)
    require(run.code == 0 and run.kept == ["left1"], "one that had ended well is in nobody's way", run)
    passed("while one that an earlier run has kept is there, nothing is started and nothing stopped")
    run = Roll("ingest", (0, 0), "old1", "old2", new=True)
    require(run.code == 0 and run.running == ["new1"] and not run.kept, "the old ones that are named are stopped", run)
    require(not run.called("compose up"), "nothing is started, for their successors run", run)
    for what, run in (
        ("all that run", Roll("ingest", (0, 0), "old1", "old2")),
        ("one that is another service's", Roll("ingest", (0, 0), "old1", "proxy", new=True)),
    ):
        require(run.code != 0 and not run.called("docker stop"), f"named is {what}: nothing is stopped", run)
    passed("it goes on with the old ones that are left, and never with the last")

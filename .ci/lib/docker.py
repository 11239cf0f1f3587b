"""A client of a container engine (engine.py)."""

import json
import subprocess

from lib.bases import CACHE
from lib.report import Failed, Skipped, say
from lib.stand_ins import STAND_IN, stand_in

DAMAGED = CACHE / "damaged"


class Docker:
    """A client of one engine."""

    def __init__(self, client: str, environment: dict, is_own: bool):
        self.client = client
        self.environment = environment
        self.is_own = is_own

    def run(self, *arguments: str, check: bool = True, limit_s: float = 60, **options) -> subprocess.CompletedProcess:
        return self.call(self.client, *arguments, check=check, limit_s=limit_s, **options)

    def call(self, *command: str, check: bool = True, limit_s: float = 60, **options) -> subprocess.CompletedProcess:
        """A command that shall talk to this engine."""
        options.setdefault("capture_output", True)
        environment = self.environment | options.pop("env", {})
        done = subprocess.run(
            command, text=True, timeout=limit_s, env=environment, stdin=options.pop("stdin", subprocess.DEVNULL), **options
        )
        if check and done.returncode != 0:
            said = f"{done.stdout or ''}{done.stderr or ''}".strip()
            raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{said[-4000:]}")
        return done

    def out(self, *arguments: str, **options) -> str:
        return self.run(*arguments, **options).stdout.strip()

    def inspect(self, name: str) -> dict:
        return json.loads(self.out("inspect", name))[0]

    def has(self, image: str) -> bool:
        return self.run("image", "inspect", image, check=False).returncode == 0

    def is_stand_in(self, image: str) -> bool:
        return STAND_IN in (self.inspect(image)["Config"]["Labels"] or {})

    def provide(self, *images: str) -> None:
        """Has these images: there, pulled, or stood in for."""
        for image in images:
            if self.has(image):
                continue
            pulled = self.run("pull", "--quiet", image, check=False, limit_s=600)
            if pulled.returncode == 0:
                continue
            if not self.is_own:
                raise Skipped(f"{image} can't be pulled: {pulled.stderr.strip()}")
            say(f"{image} can't be pulled: making a stand-in")
            stand_in(self, image)

    def trim_cache(self) -> None:
        """Keeps of our own engine's cache what the next build is likely to need."""
        if not self.is_own:
            return
        self.run("image", "prune", "--force")
        pruned = self.run("builder", "prune", "--force", "--keep-storage=10GB", check=False, limit_s=300)
        # BuildKit now and then lists a layer that is gone, and can't add up its cache from then on
        # (https://github.com/moby/buildkit/issues/3599): it still builds with it, but would let it grow for ever.
        if pruned.returncode != 0:
            say(f"the cache can't be trimmed and is made anew next time: {pruned.stderr.strip()}")
            DAMAGED.touch()

"""One project of Compose as the check runs it, and its origin."""

import contextlib
import pathlib
import subprocess
import time

from lib import ROOT
from lib.docker import Docker
from lib.processes import ask_json, free_port
from lib.report import Failed, passed
from lib.wait import until

PROJECT = "paredao-check"
# Another network than the default, which may be in use.
STORE_NET = "172.30.78"
POLL = "paredao-01"
STEP_LIMIT_S = 150


class System:
    """One project of Compose, and its origin."""

    def __init__(self, docker: Docker, compose: str, env_file: pathlib.Path, **environment: str):
        self.docker = docker
        self.port = free_port()
        self.command = [compose, f"--project-name={PROJECT}", f"--env-file={env_file}"]
        self.environment = {
            "IMAGE_TAG": "check", "IMAGE_PREFIX": "paredao", "VOTE_PORT": str(self.port), "VOTE_STORE_NET": STORE_NET,
            "COMPOSE_ANSI": "never", "COMPOSE_PROGRESS": "plain",
        } | environment  # fmt: skip

    def compose(self, *arguments: str, check: bool = True, limit_s: float = STEP_LIMIT_S) -> str:
        done = self.docker.call(*self.command, *arguments, cwd=ROOT, env=self.environment, check=check, limit_s=limit_s)
        return done.stdout.strip()

    def up(self, *arguments: str) -> None:
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout=120", "--no-build", *arguments)
        except Failed as error:
            logs = self.docker.call(*self.command, "logs", "--tail=20", cwd=ROOT, env=self.environment, check=False)
            raise Failed(f"{error}\n{self.compose('ps', '--all', check=False)}\n{logs.stdout[-6000:]}") from None

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def votectl(self, *arguments: str, **options) -> str:
        command = (*self.command, "run", "--rm", "-T", "votectl", *arguments)
        done = self.docker.call(*command, cwd=ROOT, env=self.environment, limit_s=STEP_LIMIT_S, **options)
        return done.stdout.strip()

    def script(
        self, name: str, *arguments: str, check: bool = True, env_file: pathlib.Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess:
        """One of deploy/compose, on this project; with the settings of another file over its own, if one is given."""
        command = [*self.command, *([f"--env-file={env_file}"] if env_file else [])]
        environment |= self.environment | {"COMPOSE": " ".join(command), "DOCKER": self.docker.client}
        script = ROOT / "deploy/compose" / name
        return self.docker.call(str(script), *arguments, env=environment, check=check, limit_s=STEP_LIMIT_S)

    def ask(self, path: str, body: dict | None = None, headers: dict | None = None) -> tuple[int, dict]:
        return ask_json(f"http://127.0.0.1:{self.port}{path}", body, headers)

    def vote(self, key: str, candidate: str = "ana") -> tuple[int, dict]:
        return self.ask(f"/v1/polls/{POLL}/votes", {"candidate": candidate}, {"idempotency-key": key})

    def total(self) -> int:
        status, standing = self.ask(f"/v1/polls/{POLL}/results")
        if status != 200 or standing["status"] != "provisional":
            raise Failed(f"results: {status} {standing}")
        return standing["total_votes"]

    def expect(self, votes: int) -> None:
        def holds():
            total = self.total()
            if total != votes:
                raise Failed(f"it has {total}")
            return True

        until(f"the standing has {votes} votes", holds, 15)

    def audit(self, votes: int) -> None:
        self.expect(votes)
        lines = self.votectl("audit", POLL).splitlines()
        passed(f"the standing has {votes} votes, and votectl audit proves them: {lines[-1].strip()}")

    def down(self) -> None:
        """Takes away all that the project has."""
        self.compose("--profile=*", "down", "--volumes", "--timeout=5", "--remove-orphans", check=False)

    @contextlib.contextmanager
    def running(self, *arguments: str):
        # A check that was killed has left its containers, whose network is gone.
        self.down()
        start = time.monotonic()
        try:
            self.up(*arguments)
            passed(f"`up --wait` in {time.monotonic() - start:.0f} s")
            yield
        finally:
            self.down()
        for what in ("container", "network", "volume"):
            options = ["--all"] if what == "container" else []
            left = self.docker.out(what, "ls", "--quiet", *options, f"--filter=label=com.docker.compose.project={PROJECT}")
            if left:
                raise Failed(f"`down --volumes` has left a {what}: {left}")
        passed("`down --volumes` has left nothing")

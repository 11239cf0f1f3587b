"""What the checks of images and of Compose run on: a Docker engine.

Where an engine can be reached it is used, with the images that it pulls. Where there is none, and this is root on a
Debian that lacks only the packages, one is started with a data folder of its own (kept, as a cache) and stopped again,
with everything that it leaves in the machine. If that one can't pull an image, a stand-in is made (stand_ins.py) and
given the image's name: in that engine alone, never in somebody's own.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable

from lib import ROOT
from lib.bases import CACHE
from lib.docker import DAMAGED, Docker
from lib.processes import stop
from lib.report import Ended, Failed, Skipped
from lib.wait import until

PACKAGES = ROOT / ".ci/lib/packages.sh"
ENGINE_PATIENCE_S = 60


def with_engine(check: Callable[[Docker], None]) -> Callable[[], None]:
    """The same check, with an engine that is there as long as it runs."""

    def run() -> None:
        with engine() as docker:
            check(docker)

    return run


@contextlib.contextmanager
def engine():
    environment = dict(os.environ, DOCKER_BUILDKIT="1")
    client = build_client()
    if client and subprocess.run([client, "version"], capture_output=True, env=environment).returncode == 0:
        yield Docker(client, environment, is_own=False)
        return
    if os.environ.get("DOCKER_HOST"):
        raise Skipped(f"no engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}")
    install()
    with tempfile.TemporaryDirectory(prefix="paredao-docker-") as folder:
        folder = pathlib.Path(folder)
        environment["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
        # No plugins, credentials or contexts of this machine's user.
        environment["DOCKER_CONFIG"] = str(folder / "config")
        client = build_client(environment)
        if client is None:
            raise Skipped("no docker client here can build: it lacks buildx")
        with started(folder):
            yield Docker(client, environment, is_own=True)


def build_client(environment: dict | None = None) -> str | None:
    """A client that can build with BuildKit: newer ones need a plugin for it, which not every machine has."""
    for client in filter(None, [shutil.which("docker"), "/usr/bin/docker"]):
        try:
            version = subprocess.run([client, "--version"], capture_output=True, text=True, env=environment).stdout
        except OSError:
            continue
        major = version.removeprefix("Docker version ").split(".")[0]
        buildx = subprocess.run([client, "buildx", "version"], capture_output=True, env=environment).returncode == 0
        if buildx or (major.isdigit() and int(major) < 23):
            return client
    return None


def install() -> None:
    if os.geteuid() != 0:
        raise Skipped("no Docker engine can be reached, and only root can start one")
    done = subprocess.run([PACKAGES, "engine"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Skipped(f"no Docker engine can be reached, and none be started here: {done.stderr.strip()}")


@contextlib.contextmanager
def started(folder: pathlib.Path):
    """A dockerd of our own, and afterwards the machine as it was."""
    data = CACHE / "data"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock, open(folder / "dockerd.log", "w") as log:
        # Two engines on one folder would ruin it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if DAMAGED.exists():
            if data.exists():
                shutil.rmtree(data)
            DAMAGED.unlink()
        data.mkdir(exist_ok=True)
        before = Machine()
        try:
            with daemon(folder, data, log):
                yield
        finally:
            before.restore(folder, data)


@contextlib.contextmanager
def daemon(folder: pathlib.Path, data: pathlib.Path, log):
    process = subprocess.Popen(
        [
            "dockerd",
            f"--data-root={data}",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/pid",
            f"--host=unix://{folder}/docker.sock",
            "--storage-driver=overlay2",
            "--shutdown-timeout=10",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        try:
            until("a Docker engine", lambda: answers(process, folder / "docker.sock"), ENGINE_PATIENCE_S, pause_s=0.2)
        except Failed:
            lines = (folder / "dockerd.log").read_text().strip().splitlines()[-3:]
            raise Skipped("a Docker engine can't be started here: " + " / ".join(lines)) from None
        yield
    finally:
        stop(process)


def answers(process: subprocess.Popen, path: pathlib.Path) -> bool:
    if process.poll() is not None:
        raise Ended("dockerd has ended")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(path))
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(64)


class Machine:
    """What a dockerd changes in a machine and leaves behind: forwarding, rules of the firewall, a bridge, cgroups."""

    FORWARD = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    BRIDGE = pathlib.Path("/sys/class/net/docker0")
    TABLES = ("filter", "nat")

    def __init__(self):
        self.forwarding = self.FORWARD.read_text()
        self.rules = {table: self.listed(table) for table in self.TABLES}
        self.cgroups = set(self.docker_cgroups())
        self.had_bridge = self.BRIDGE.exists()

    def listed(self, table: str) -> list[str]:
        done = subprocess.run(["iptables", "-w", "-t", table, "-S"], capture_output=True, text=True)
        return done.stdout.splitlines()

    @staticmethod
    def docker_cgroups() -> list[pathlib.Path]:
        return [path for path in pathlib.Path("/sys/fs/cgroup").glob("**/docker") if path.is_dir()]

    def restore(self, folder: pathlib.Path, data: pathlib.Path) -> None:
        for table in self.TABLES:
            self.restore_rules(table)
        if self.BRIDGE.exists() and not self.had_bridge:
            subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True)
        if self.FORWARD.read_text() != self.forwarding:
            self.FORWARD.write_text(self.forwarding)
        for mount in reversed(pathlib.Path("/proc/mounts").read_text().splitlines()):
            target = mount.split(" ")[1]
            if target.startswith((f"{folder}/", f"{data}/")):
                subprocess.run(["umount", "--lazy", target], capture_output=True)
        for root in set(self.docker_cgroups()) - self.cgroups:
            for path, _, _ in os.walk(root, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)

    def restore_rules(self, table: str) -> None:
        """Takes back what was added, and nothing that others may have added meanwhile."""
        added = [line for line in self.listed(table) if line not in self.rules[table]]
        ours = [line for line in added if "DOCKER" in line or "docker0" in line or " br-" in line or "MASQUERADE" in line]
        for line in ours:
            if line.startswith("-A "):
                subprocess.run(["iptables", "-w", "-t", table, "-D", *line.split()[1:]], capture_output=True)
        for line in ours:
            if line.startswith("-N "):
                subprocess.run(["iptables", "-w", "-t", table, "-F", line.split()[1]], capture_output=True)
        for line in ours:
            if line.startswith("-N "):
                subprocess.run(["iptables", "-w", "-t", table, "-X", line.split()[1]], capture_output=True)
        for line in self.rules[table]:
            if line.startswith("-P ") and line not in self.listed(table):
                subprocess.run(["iptables", "-w", "-t", table, *line.split()], capture_output=True)

"""What the checks of images and of Compose share: a Docker engine, and bases to build on where none can be pulled.

Where an engine can be reached it is used, with the images that it pulls. Where there is none, and this is root on a
Debian that lacks only the packages, one is started with a data folder of its own (kept, as a cache) and stopped again,
with everything that it leaves in the machine. If that one can't pull an image, a stand-in is made from Debian's
packages and this machine's Rust, and given the image's name: in that engine alone, never in somebody's own.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "paredao-containers"
DAMAGED = CACHE / "damaged"
PACKAGES = {"dockerd": "docker.io", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
# Not said twice: Dependabot raises them in the Dockerfile alone.
BASES = {
    stage: image
    for image, stage in re.findall(r"^FROM (\S+) AS default-(\w+)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
}
RUNTIME = BASES["runtime"]
BUILDER = BASES["builder"]
REDIS = "redis:8.2-alpine"
PROXY = "haproxy:3.2-alpine"
STAND_IN = "paredao.stand-in"
ENGINE_PATIENCE_S = 60


class Skipped(Exception):
    """Why nothing can be checked on this machine."""


class Failed(Exception):
    """What did not hold."""


def say(text: str) -> None:
    print(text, flush=True)


def passed(text: str) -> None:
    say(f"  ok  {text}")


def require(holds: bool, text: str) -> None:
    if not holds:
        raise Failed(text)
    passed(text)


def until(patience_s: float, what: str, probe, pause_s: float = 0.25):
    """The first answer of `probe` that is true; what it raises until then counts as no answer."""
    deadline = time.monotonic() + patience_s
    last = None
    while True:
        try:
            if answer := probe():
                return answer
        except (OSError, Failed, subprocess.SubprocessError, ValueError, KeyError) as error:
            last = error
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {patience_s:g} s ({last or 'no'})")
        time.sleep(pause_s)


def main(check) -> int:
    """Runs a check with an engine: 0 if all holds, or if it says why it was left out; 1 if something doesn't hold."""
    # SIGTERM ends it by way of the context managers, which stop what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = time.monotonic()
    try:
        with engine() as docker:
            check(docker)
    except Skipped as reason:
        say(f"skipped: {reason}")
        return 0
    except Failed as error:
        say(f"FAILED: {error}")
        return 1
    say(f"all of it holds ({time.monotonic() - start:.0f} s)")
    return 0


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


# ---- the engine ---------------------------------------------------------------------------------------------------


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
    missing = [package for command, package in PACKAGES.items() if not shutil.which(command)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Skipped(f"no Docker engine can be reached, and none be started here without {', '.join(missing)}, as root")
    say(f"installing {' '.join(missing)}")
    apt_get("update", check=False)
    if apt_get("install", "--yes", "--no-install-recommends", *missing, check=False).returncode != 0:
        raise Skipped(f"no Docker engine can be reached, and apt-get can't install {', '.join(missing)}")


def apt_get(*arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    # Nothing is to be started by its package.
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    return subprocess.run(["apt-get", "-qq", *arguments], env=environment, check=check, capture_output=True, text=True)


@contextlib.contextmanager
def started(folder: pathlib.Path):
    """A dockerd of our own, and afterwards the machine as it was."""
    if os.geteuid() != 0:
        raise Skipped("no Docker engine can be reached, and only root can start one")
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
        deadline = time.monotonic() + ENGINE_PATIENCE_S
        while not answers(folder / "docker.sock"):
            if process.poll() is not None or time.monotonic() > deadline:
                lines = (folder / "dockerd.log").read_text().strip().splitlines()[-3:]
                raise Skipped("a Docker engine can't be started here: " + " / ".join(lines))
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(path: pathlib.Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


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


# ---- stand-ins ----------------------------------------------------------------------------------------------------


def stand_in(docker: Docker, image: str) -> None:
    if image not in STAND_INS:
        raise Skipped(f"{image} can't be pulled, and nothing here can stand in for it")
    make, *changes = STAND_INS[image]
    with tempfile.TemporaryDirectory(prefix="stand-in-", dir=CACHE) as folder:
        root = pathlib.Path(folder) / "root"
        make(root)
        options = [word for change in (*changes, f"LABEL {STAND_IN}=true") for word in ("--change", change)]
        tar = subprocess.Popen(["tar", "--create", "--directory", str(root), "."], stdout=subprocess.PIPE)
        docker.run("import", *options, "-", image, stdin=tar.stdout, limit_s=300)
        tar.wait()


def debian(root: pathlib.Path, *packages: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise Skipped("a stand-in needs mmdebstrap")
    done = subprocess.run(
        [
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
            "bookworm", str(root),
        ],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode != 0:
        raise Skipped(f"mmdebstrap can't make a stand-in: {done.stderr.strip()[-500:]}")


def redis(root: pathlib.Path) -> None:
    debian(root, "redis-server")
    data = root / "data"
    data.mkdir()
    os.chown(data, 999, 1000)


def proxy(root: pathlib.Path) -> None:
    debian(root, "haproxy", "busybox")
    # Alpine's, for the health check.
    (root / "usr/bin/wget").symlink_to("busybox")


def runtime(root: pathlib.Path) -> None:
    """As Alpine is: busybox, two files of users, the authorities' certificates."""
    binaries = root / "bin"
    binaries.mkdir(parents=True)
    unpack("busybox-static", root.parent / "busybox")
    shutil.copy2(root.parent / "busybox/bin/busybox", binaries)
    for applet in subprocess.run([binaries / "busybox", "--list"], capture_output=True, text=True).stdout.split():
        link = binaries / applet
        if not link.exists():
            link.symlink_to("busybox")
    etc = root / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\n")
    with_authorities(root)
    (root / "tmp").mkdir(mode=0o1777)


def builder(root: pathlib.Path) -> None:
    """This machine's Rust and the crates that it has, on Debian's C compiler."""
    debian(root, "ca-certificates", "gcc", "libc6-dev", "pkg-config")
    with_authorities(root)
    done = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skipped("a stand-in for the builder needs rustc on this machine")
    sysroot = pathlib.Path(done.stdout.strip())
    toolchain = root / "usr/local/rust"
    ignore = shutil.ignore_patterns("src", "*-unknown-linux-musl", "wasm32-*")
    for part in ("bin", "lib", "libexec"):
        if (sysroot / part).is_dir():
            shutil.copytree(sysroot / part, toolchain / part, symlinks=True, ignore=ignore)
    cargo = root / "usr/local/cargo"
    (cargo / "bin").mkdir(parents=True)
    for command in ("cargo", "rustc"):
        (cargo / "bin" / command).symlink_to(f"/usr/local/rust/bin/{command}")
    home = pathlib.Path(os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo")
    for part in ("cache", "index"):
        if (home / "registry" / part).is_dir():
            shutil.copytree(home / "registry" / part, cargo / "registry" / part)
    if (home / "config.toml").is_file():
        shutil.copy2(home / "config.toml", cargo)


def with_authorities(root: pathlib.Path) -> None:
    """Those that this machine trusts: its network may have one of its own."""
    bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    target = root / "etc/ssl/certs/ca-certificates.crt"
    target.parent.mkdir(parents=True, exist_ok=True)
    if bundle.is_file():
        shutil.copy2(bundle, target)


def unpack(package: str, folder: pathlib.Path) -> None:
    folder.mkdir()
    download = subprocess.run(["apt-get", "-qq", "download", package], cwd=folder, capture_output=True, text=True)
    files = list(folder.glob("*.deb"))
    if download.returncode != 0 or not files:
        raise Skipped(f"a stand-in needs Debian's {package}: {download.stderr.strip()[-300:]}")
    subprocess.run(["dpkg-deb", "--extract", files[0], folder], check=True, capture_output=True)


# How each is made, and what its image says beside.
STAND_INS = {
    RUNTIME: (runtime, 'CMD ["/bin/sh"]'),
    BUILDER: (builder, "ENV CARGO_HOME=/usr/local/cargo", "ENV PATH=/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    REDIS: (redis, "WORKDIR /data"),
    PROXY: (proxy,),
}

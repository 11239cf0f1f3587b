"""Checks of the embedded Redis' users: what the init container writes, and what a real Redis then lets them do."""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

from chart.render import CHART, Rendered
from lib.report import Ended
from lib.wait import until

Problems = list[str]

# Of the password without its newline.
PASSWORD = "correct horse"
# What each user is for, and what it must not do.
MAY = {
    "admin": ["CONFIG SET maxmemory 200mb", "BGREWRITEAOF", "BGSAVE SCHEDULE", "ACL LIST", "SET x y", "DEL x"],
    "exporter": ["INFO", "CONFIG GET maxmemory", "SLOWLOG GET"],
}
MAY_NOT = {
    "exporter": ["GET vote:polls", "KEYS *", "CONFIG SET maxmemory 1", "ACL LIST"],
    "votectl": ["CONFIG SET maxmemory 1", "BGREWRITEAOF", "ACL LIST"],
    "probe": ["INFO"],
}
START_LIMIT_S = 10


def users(rendered: Rendered) -> tuple[Problems, str]:
    """The users are those of the rules, with hashes and without passwords, and can do what they are for."""
    files = rendered.named("ConfigMap", f"{rendered.prefix}-redis")["data"]
    names = dict(line.split() for line in files["users"].splitlines())
    own = {file: (CHART / "files" / "acl" / f"{file}.acl").read_text() for file in names}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name in ("rules", "passwords", "rendered"):
            (root / name).mkdir()
        for file in names:
            (root / "rules" / f"{file}.acl").write_text(files[f"{file}.acl"])
            (root / "passwords" / file).write_text(f"{PASSWORD}\n")
        (root / "users").write_text(files["users"])
        subprocess.run(["sh", CHART / "files/redis/render-acl.sh", root], check=True, capture_output=True)
        problems = written((root / "rendered" / "users.acl").read_text().splitlines(), names, own)
        if not shutil.which("redis-server") or not shutil.which("redis-cli"):
            return problems, f"{len(own)} users of Redis; not tried: redis-server is not installed"
        with server(root) as socket:
            tried = 0
            for commands, is_allowed in ((MAY, True), (MAY_NOT, False)):
                for name, wanted in commands.items():
                    for command in wanted:
                        tried += 1
                        said = run_as(socket, name, command)
                        if is_allowed == said.startswith(("NOPERM", "ERR", "WRONGPASS")):
                            problems.append(f"{name}: {command}: {said}")
            problems += administered(root, socket)
    return problems, f"{len(own)} users of Redis; a real one let them do and refused {tried} commands"


def written(lines: list[str], names: dict[str, str], own: dict[str, str]) -> Problems:
    """What is wrong with the lines of users.acl."""
    problems = []
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    if not lines[0].startswith("user default off "):
        problems.append(f"render-acl.sh: the first user is not `default`, off: {lines[0]}")
    found = {line.split()[1]: line for line in lines if line.startswith("user ")}
    for file, name in names.items():
        line = found.get(name, "")
        wanted = f"user {name} {own[file].split(' ', 2)[2].strip()} #{digest}"
        if line != wanted or not own[file].startswith("user ") or own[file].count("\n") != 1:
            problems.append(f"render-acl.sh: {file} becomes {line!r}, not {wanted!r}")
    if len(lines) != len(own) + 2:
        problems.append(f"render-acl.sh: wrote {len(lines)} lines for {len(own)} users, default and probe")
    return problems


@contextlib.contextmanager
def server(root: pathlib.Path) -> Iterator[pathlib.Path]:
    """A Redis with the users that were written, behind a socket."""
    socket = root / "socket"
    options = {"port": "0", "unixsocket": socket, "dir": root, "aclfile": root / "rendered" / "users.acl"}
    options |= {"appendonly": "yes", "save": "", "maxmemory": "100mb"}
    command = ["redis-server", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:

            def listens() -> bool:
                if process.poll() is not None:
                    raise Ended(f"redis-server did not start: {process.stdout.read()[-1000:]}")
                return socket.exists()

            until("redis-server", listens, START_LIMIT_S)
            yield socket
        finally:
            process.kill()


def run_as(socket: pathlib.Path, name: str, command: str) -> str:
    login = ["--user", name, "--pass", "probe" if name == "probe" else PASSWORD, "--no-auth-warning"]
    done = subprocess.run(
        ["redis-cli", "-s", socket, *login, *command.split()], capture_output=True, text=True, check=False, timeout=10
    )
    return f"{done.stdout}{done.stderr}".strip()


def administered(root: pathlib.Path, socket: pathlib.Path) -> Problems:
    """The call that README.md gives to whoever administers Redis does it, by the file of the password."""
    text = (CHART / "README.md").read_text()
    call = re.search(r"^## Administer Redis\n.*?--\s+\\?\s*sh -c '([^']+)'", text, re.DOTALL | re.MULTILINE)
    if not call:
        return ["chart/README.md: `Administer Redis` has no call of `sh -c '…'`"]
    script = call[1].replace("/acl/passwords", str(root / "passwords"))
    script = script.replace("redis-cli", f"redis-cli -s {socket}", 1)
    command = ["sh", "-c", script, "sh", "CONFIG", "GET", "appendonly"]
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=10)
    if done.stdout.split() != ["appendonly", "yes"]:
        return [f"chart/README.md: `{call[1]}` answers {done.stdout}{done.stderr}"]
    return []

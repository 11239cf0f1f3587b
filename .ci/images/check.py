#!/usr/bin/env python3
"""Builds the three images with `make images`, and runs each as it is run in production: read-only, without any
capability, as nobody in particular. Then what they promise: a vote is taken and shown, the health check tells, SIGTERM
ends with exit 0 in time, and nothing is in the image but the binary and the authorities' certificates.

Where no base can be pulled they are built on stand-ins (lib/stand_ins.py).
"""

import contextlib
import gzip
import io
import json
import pathlib
import re
import subprocess
import tarfile
import tempfile
import time

from lib import ROOT, report
from lib.bases import BUILDER, REDIS, RUNTIME
from lib.docker import Docker
from lib.engine import with_engine
from lib.polls import poll
from lib.processes import ask_json
from lib.report import Ended, Failed, passed, require, title
from lib.wait import until

TAG = "check"
IMAGES = ("vote-ingest", "vote-results", "votectl")
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
MOST_BYTES = 25 * 1000 * 1000
# What Alpine itself takes of that: 3.22 on amd64 is 8.3 MB. A stand-in for it is larger and isn't counted.
BASE_BYTES = 8_400_000
BUILD_LIMIT_S = 45 * 60
# shutdown.grace_ms + 1.25 * shutdown.drain_timeout_ms + 5 s
STOP_LIMIT_S = 21
ALLOWED = re.compile(r"^(usr/local/bin/{}|etc/ssl/certs/ca-certificates\.crt)$")
POLL = poll("imagens")


def check(docker: Docker) -> None:
    docker.provide(BUILDER, RUNTIME, REDIS)
    build(docker)
    for name in IMAGES:
        title(name)
        check_image(docker, name)
    title("together")
    check_services(docker)
    docker.trim_cache()


def build(docker: Docker) -> None:
    for image in (BUILDER, RUNTIME):
        if docker.is_stand_in(image):
            passed(f"{image} is a stand-in")
    start = time.monotonic()
    docker.call(
        "make", "--no-print-directory", "images", f"DOCKER={docker.client}", f"IMAGE_TAG={TAG}",
        cwd=ROOT, limit_s=BUILD_LIMIT_S, capture_output=False,
    )  # fmt: skip
    passed(f"built by `make images` in {time.monotonic() - start:.0f} s")


# ---- each by itself -----------------------------------------------------------------------------------------------


def image_of(name: str) -> str:
    return f"paredao/{name}:{TAG}"


def check_image(docker: Docker, name: str) -> None:
    image = image_of(name)
    config = docker.inspect(image)["Config"]
    require(re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"]), f"its user is a number, and not root's: {config['User']}")
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    wanted = ("title", "description", "version", "revision", "created", "licenses")
    require(all(labels.get(key) for key in wanted), f"its labels: version {labels['version']}, revision {labels['revision']}")
    require(config["StopSignal"] == "SIGTERM", "it is stopped by SIGTERM")
    if name != "votectl":
        test = config["Healthcheck"]["Test"]
        require(test[:2] == ["CMD", f"/usr/local/bin/{name}"], f"its health is asked by its own binary: {test}")
        require(len(config["ExposedPorts"]) == 2, f"it exposes {' '.join(sorted(config['ExposedPorts']))}")
    check_contents(docker, name, image)
    for argument in ("--version", "--help"):
        said = docker.out("run", "--rm", "--network=none", *HARDENED, image, argument)
        require(name in said, f"{argument}: {said.splitlines()[0]}")


def check_contents(docker: Docker, name: str, image: str) -> None:
    """What is in the layers that aren't its base's."""
    base = len(docker.inspect(RUNTIME)["RootFS"]["Layers"])
    allowed = re.compile(ALLOWED.pattern.format(name))
    size = packed = 0
    names = []
    for members, bytes_packed in layers(docker, image)[base:]:
        packed += bytes_packed
        for member in members:
            if member.isdir():
                continue
            names.append(member.name)
            size += member.size
            if not (allowed.match(member.name) and member.isfile()):
                raise Failed(f"{image} holds {member.name}")
            if member.uid != 0 or member.mode & 0o022:
                raise Failed(f"{image}: {member.name} may be written by others than root")
    passed(f"it holds {', '.join(names)} and nothing else")
    whole = docker.inspect(image)["Size"]
    if docker.is_stand_in(RUNTIME):
        whole = size + BASE_BYTES
    require(whole < MOST_BYTES, f"that is {size / 1e6:.1f} MB, {packed / 1e6:.1f} MB to pull; with {RUNTIME} {whole / 1e6:.1f} MB")


def layers(docker: Docker, image: str) -> list[tuple[list[tarfile.TarInfo], int]]:
    """What each layer holds, and its size as registries keep it."""
    with tempfile.TemporaryFile() as file:
        subprocess.run([docker.client, "save", image], stdout=file, env=docker.environment, check=True, timeout=120)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))
            found = []
            for path in manifest[0]["Layers"]:
                blob = archive.extractfile(path).read()
                with tarfile.open(fileobj=io.BytesIO(blob)) as layer:
                    found.append((layer.getmembers(), len(blob if blob[:2] == b"\x1f\x8b" else gzip.compress(blob, 6))))
            return found


# ---- together -----------------------------------------------------------------------------------------------------


def check_services(docker: Docker) -> None:
    with contextlib.ExitStack() as cleanup:
        network = unique("network")
        docker.run("network", "create", network)
        cleanup.callback(docker.run, "network", "rm", network, check=False)

        def start(name: str, *arguments: str) -> str:
            container = docker.out("run", "--detach", f"--network={network}", *HARDENED, *arguments)
            cleanup.callback(docker.run, "rm", "--force", "--volumes", container, check=False)
            passed(f"started {name}")
            return container

        start(
            "redis", "--network-alias=redis", "--user=999:1000", "--tmpfs=/data:uid=999,gid=1000", "--entrypoint=redis-server",
            REDIS, "--protected-mode", "no", "--appendonly", "yes", "--dir", "/data",
        )  # fmt: skip
        url = "--env=VOTE__REDIS__URL=redis://redis:6379"
        # Quicker to become healthy than by the image's own times, and by the image's own command.
        often = "--health-interval=1s"
        ingest = start("vote-ingest", url, often, "--publish=127.0.0.1::8080", image_of("vote-ingest"))
        results = start("vote-results", url, often, "--publish=127.0.0.1::8081", image_of("vote-results"))
        services = {
            "vote-ingest": (ingest, address(docker, ingest, 8080)),
            "vote-results": (results, address(docker, results, 8081)),
        }
        for name, (container, at) in services.items():
            until(f"{name} answers", lambda at=at: ask_json(f"http://{at}/healthz")[0] == 200, 30)
            until(f"{name} is ready", lambda at=at: ask_json(f"http://{at}/readyz")[0] == 200, 30)
            passed(f"{name} answers at /healthz and /readyz on a read-only root without capabilities")
            until(f"{name} is healthy", lambda container=container: health(docker, container) == "healthy", 30)
            passed(f"{name} is healthy by its own check")
            ready = docker.run("exec", container, f"/usr/local/bin/{name}", "healthcheck", check=False)
            require(ready.returncode == 0, f"{name}'s check for readiness exits with 0")
            uids = pathlib.Path(f"/proc/{docker.inspect(container)['State']['Pid']}/status")
            if uids.exists():
                uid = re.search(r"^Uid:\s+(\d+)\s+(\d+)", uids.read_text(), re.MULTILINE)
                require(uid and "0" not in uid.groups(), f"{name} runs as user {uid[1]}")
        votectl(docker, network, "poll", "apply", "-", text=json.dumps(POLL))
        votectl(docker, network, "poll", "open", POLL["id"])
        check_vote(services["vote-ingest"][1], services["vote-results"][1])
        audit = votectl(docker, network, "audit", POLL["id"])
        passed(f"votectl audit: {audit.splitlines()[-1].strip()}")
        for name, (container, _) in services.items():
            check_stop(docker, name, container)


def unique(what: str) -> str:
    return f"paredao-check-{what}-{time.time_ns()}"


def votectl(docker: Docker, network: str, *arguments: str, text: str = "") -> str:
    # By a file, since standard input must not be this process' own.
    with tempfile.TemporaryFile("w+") as file:
        file.write(text)
        file.seek(0)
        return docker.out(
            "run", "--rm", "--interactive", f"--network={network}", "--env=VOTE__REDIS__URL=redis://redis:6379",
            *HARDENED, image_of("votectl"), *arguments, stdin=file,
        )  # fmt: skip


def check_vote(ingest: str, results: str) -> None:
    vote = {"candidate": "ana"}
    status, answer = until("a vote is taken", lambda: taken(ask_json(f"http://{ingest}/v1/polls/{POLL['id']}/votes", vote)), 10)
    require(answer["status"] == "accepted", f"a vote: {status} {answer['status']}")

    def total():
        return ask_json(f"http://{results}/v1/polls/{POLL['id']}/results")[1].get("total_votes") == 1

    until("the vote is in the standing", total, 10)
    passed("it is in the standing")


def taken(answer):
    return answer if answer[0] == 201 else None


def check_stop(docker: Docker, name: str, container: str) -> None:
    start = time.monotonic()
    docker.run("stop", f"--time={STOP_LIMIT_S}", container, limit_s=STOP_LIMIT_S + 30)
    took = time.monotonic() - start
    state = docker.inspect(container)["State"]
    require(
        state["ExitCode"] == 0 and not state["OOMKilled"] and took < STOP_LIMIT_S,
        f"{name} ends on SIGTERM with exit {state['ExitCode']} after {took:.1f} s",
    )


def address(docker: Docker, container: str, port: int) -> str:
    return docker.out("port", container, str(port)).splitlines()[0]


def health(docker: Docker, container: str) -> str:
    state = docker.inspect(container)["State"]
    if state["Status"] != "running":
        logs = docker.run("logs", "--tail=5", container, check=False)
        raise Ended(f"it has ended with {state['ExitCode']}: {logs.stdout}{logs.stderr}")
    return state["Health"]["Status"]


if __name__ == "__main__":
    raise SystemExit(report.main("images-check", with_engine(check)))

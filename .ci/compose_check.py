#!/usr/bin/env python3
"""Checks compose.yaml: every combination of profiles is right, every service keeps the rules below; then, where there is
an engine, the system runs: votes go through the proxy, are read back, and are all there after ingest was scaled, rolled
and killed, and Redis restarted. At last the same on the cluster.

Only images that can be had are run: ours, Redis and the proxy, or stand-ins for them (containers.py). Without a registry
the services of the profile "observability" are checked by their configuration alone.
"""

import argparse
import base64
import contextlib
import functools
import http.client
import itertools
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import uuid

import containers
from containers import BUILDER, PROXY, REDIS, ROOT, RUNTIME, Docker, Failed, passed, require, say, until

PROFILES = ("cluster", "observability", "tools")
PROJECT = "paredao-check"
# Another network than the default, which may be in use.
STORE_NET = "172.30.78"
POLL = "paredao-01"
ONE_SHOTS = {"polls", "redis-cluster", "votectl"}
SCALED = ("ingest", "results")
# shutdown.grace_ms + 1.25 * shutdown.drain_timeout_ms + 5 s, by defaults.toml
DRAIN_S = 3.0 + 1.25 * 10.0 + 5.0
BUILD_LIMIT_S = 45 * 60
STEP_LIMIT_S = 150


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compose", type=pathlib.Path, required=True, help="the docker-compose binary")
    compose = str(parser.parse_args().compose.resolve())
    try:
        check_configuration(compose)
    except Failed as error:
        say(f"FAILED: {error}")
        return 1
    return containers.main(functools.partial(check_running, compose))


# ---- the file -----------------------------------------------------------------------------------------------------


def check_configuration(compose: str) -> None:
    say("compose.yaml:")
    combinations = [c for n in range(len(PROFILES) + 1) for c in itertools.combinations(PROFILES, n)]
    for profiles in combinations:
        configuration(compose, profiles, ["--quiet"])
    passed(f"{len(combinations)} combinations of profiles")
    try:
        configuration(compose, (), ["--no-such-option"])
    except Failed:
        pass
    else:
        raise Failed(f"{compose} does not exit with its errors")
    for name in ("cluster", "observability"):
        whole = json.loads(configuration(compose, (), ["--format=json"], f"deploy/compose/{name}.env"))
        require(len(whole["services"]) > 5, f"deploy/compose/{name}.env starts {len(whole['services'])} services")
    services = json.loads(configuration(compose, PROFILES, ["--format=json"]))["services"]
    problems = [f"{name}: {problem}" for name, service in services.items() for problem in rules(name, service)]
    require(not problems, f"{len(services)} services keep the rules" if not problems else "; ".join(problems))


def configuration(compose: str, profiles: tuple[str, ...], options: list[str], file: str | None = None) -> str:
    arguments = [f"--env-file={file}"] if file else [f"--profile={profile}" for profile in profiles]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("VOTE_", "COMPOSE_"))}
    done = subprocess.run(
        [compose, *arguments, "config", *options], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0 or "level=warning" in done.stderr:
        raise Failed(f"docker compose {' '.join(arguments)} config: {done.stderr.strip()}")
    return done.stdout


def rules(name: str, service: dict):
    """What every service must be, and isn't."""
    tag = service["image"].rpartition(":")[2]
    if not re.search(r"\d|^dev$", tag) or tag == "latest":
        yield f"the image {service['image']} names no version"
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if not all(limits.get(limit) for limit in ("cpus", "memory", "pids")):
        yield "cpus, memory or pids are not limited"
    if "build" in service and service.get("entrypoint"):
        yield "it needs more of our image than its binary, which is all that one has on another base"
    if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
        yield "its root can be written, or it has capabilities"
    if service.get("security_opt") != ["no-new-privileges:true"] or service.get("privileged"):
        yield "it can get new privileges"
    if not {"max-size", "max-file"} <= service.get("logging", {}).get("options", {}).keys():
        yield "its logs are not bounded"
    if not service.get("restart"):
        yield "it does not say whether it is started again"
    check = service.get("healthcheck", {})
    if bool(check.get("test")) == (name in ONE_SHOTS):
        yield "it has no health check, or should have none"
    if "container_name" in service or (name in SCALED and service.get("ports")):
        yield "it can't be scaled"
    if name in SCALED and seconds(service.get("stop_grace_period", "0s")) < DRAIN_S:
        yield f"it is killed before it has drained ({DRAIN_S} s)"
    for port in service.get("ports", []):
        if port.get("host_ip") != "127.0.0.1":
            yield f"its port {port['target']} is open to other machines by default"
    for volume in service.get("volumes", []):
        source = pathlib.Path(volume.get("source", ""))
        if volume["type"] != "bind" or not source.is_relative_to(ROOT) or source.is_relative_to(ROOT / "deploy/compose/secrets"):
            continue
        if not source.exists():
            yield f"it mounts {source.relative_to(ROOT)}, which is not there"
        if not volume.get("read_only"):
            yield f"it may write {source.relative_to(ROOT)}"
    for variable, value in service.get("environment", {}).items():
        if value and re.search(r"PASSWORD|TOKEN|SECRET|KEY", variable) and not value.startswith("/run/secrets/"):
            yield f"{variable} is not a secret's file"


def seconds(duration: str) -> float:
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([hms])", duration))


# ---- the system ---------------------------------------------------------------------------------------------------


class System:
    """One project of Compose, and its origin."""

    def __init__(self, docker: Docker, compose: str, env_file: str | None = None):
        self.docker = docker
        self.port = free_port()
        self.command = [compose, f"--project-name={PROJECT}"]
        if env_file:
            self.command.append(f"--env-file={env_file}")
        self.environment = {
            "IMAGE_TAG": "check", "IMAGE_PREFIX": "paredao", "VOTE_PORT": str(self.port), "VOTE_STORE_NET": STORE_NET,
            "COMPOSE_ANSI": "never", "COMPOSE_PROGRESS": "plain",
        }  # fmt: skip

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

    def votectl(self, *arguments: str) -> str:
        return self.compose("--profile=tools", "run", "--rm", "--no-deps", "-T", "votectl", *arguments)

    def ask(self, method: str, path: str, body: dict | None = None, headers: dict | None = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"content-type": "application/json"} | (headers or {}))
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text or b"{}")

    def vote(self, key: str, candidate: str = "ana") -> tuple[int, dict]:
        return self.ask("POST", f"/v1/polls/{POLL}/votes", {"candidate": candidate}, {"idempotency-key": key})

    def total(self) -> int:
        status, standing = self.ask("GET", f"/v1/polls/{POLL}/results")
        if status != 200 or standing["status"] != "provisional":
            raise Failed(f"results: {status} {standing}")
        return standing["total_votes"]

    def expect(self, votes: int) -> None:
        def holds():
            total = self.total()
            if total != votes:
                raise Failed(f"it has {total}")
            return True

        until(15, f"the standing has {votes} votes", holds)

    def audit(self, votes: int) -> None:
        self.expect(votes)
        lines = self.votectl("audit", POLL).splitlines()
        passed(f"the standing has {votes} votes, and votectl audit proves them: {lines[-1].strip()}")

    @contextlib.contextmanager
    def running(self, *arguments: str):
        start = time.monotonic()
        try:
            self.up(*arguments)
            passed(f"`up --wait` in {time.monotonic() - start:.0f} s")
            yield
        finally:
            self.compose("--profile=*", "down", "--volumes", "--timeout=5", "--remove-orphans", check=False)
        for what in ("container", "network", "volume"):
            options = ["--all"] if what == "container" else []
            left = self.docker.out(what, "ls", "--quiet", *options, f"--filter=label=com.docker.compose.project={PROJECT}")
            if left:
                raise Failed(f"`down --volumes` has left a {what}: {left}")
        passed("`down --volumes` has left nothing")


class Load:
    """A small load through the proxy: voters and readers, each one request after another on a connection of its own.

    `retry`: as a client should, a vote without a clear answer is sent again with its key. Without it, any answer but
    the right one is a failure.
    """

    VOTERS = 3
    PAUSE_S = 0.04

    def __init__(self, system: System, retry: bool):
        self.system = system
        self.retry = retry
        self.counted = 0
        self.reads = 0
        self.repeated = 0
        self.failures: list[str] = []
        self.writers: set[str] = set()
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.voter) for _ in range(self.VOTERS)]
        self.threads.append(threading.Thread(target=self.reader))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def voter(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.system.port, timeout=10)
        while not self.stopped.is_set():
            key = str(uuid.uuid4())
            deadline = time.monotonic() + 60
            while True:
                status, answer = self.request(connection, "POST", f"/v1/polls/{POLL}/votes", key)
                if status in (200, 201):
                    with self.lock:
                        self.counted += 1
                        if "receipt" in answer:
                            self.writers.add(writer(answer["receipt"]))
                    break
                if not self.retry or time.monotonic() > deadline:
                    with self.lock:
                        self.failures.append(f"a vote: {status} {answer}")
                    break
                with self.lock:
                    self.repeated += 1
                time.sleep(0.5)
            time.sleep(self.PAUSE_S)
        connection.close()

    def reader(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.system.port, timeout=10)
        while not self.stopped.is_set():
            status, answer = self.request(connection, "GET", f"/v1/polls/{POLL}/results")
            with self.lock:
                self.reads += 1
                if status != 200:
                    self.failures.append(f"a read: {status} {answer}")
            time.sleep(self.PAUSE_S)
        connection.close()

    @staticmethod
    def request(connection, method: str, path: str, key: str | None = None) -> tuple[int, dict]:
        headers = {"content-type": "application/json"}
        body = None
        if key:
            headers["idempotency-key"] = key
            body = '{"candidate":"bia"}'
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            return 0, {"error": repr(error)}


def writer(receipt: str) -> str:
    """The process that wrote a vote: the first eight bytes of its receipt."""
    part = receipt.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))[:8].hex()


def told(answer: dict) -> str:
    """What an answer comes to: `accepted`, or a problem's code."""
    return answer.get("code") or answer.get("status")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def check_running(compose: str, docker: Docker) -> None:
    docker.provide(BUILDER, RUNTIME, REDIS, PROXY)
    for image in (REDIS, PROXY):
        if docker.is_stand_in(image):
            say(f"{image} is a stand-in")
    docker.call(
        "make", "--no-print-directory", "images", f"DOCKER={docker.client}", "IMAGE_TAG=check", "IMAGE_PREFIX=paredao",
        cwd=ROOT, limit_s=BUILD_LIMIT_S,
    )  # fmt: skip
    subprocess.run([ROOT / "deploy/compose/secrets.sh"], check=True, timeout=30)
    say("one Redis:")
    system = System(docker, compose)
    with system.running():
        check_one(system)
    say("a cluster:")
    system = System(docker, compose, "deploy/compose/cluster.env")
    with system.running():
        check_cluster(system)
    say('left out: the services of the profile "observability" were checked by their configuration alone')


def check_one(system: System) -> None:
    check_first_votes(system)
    check_secrets(system)
    votes = 1
    votes += check_scaled(system)
    votes += check_rolled(system)
    votes += check_broken(system)
    check_again(system, votes)


def check_first_votes(system: System) -> None:
    key = str(uuid.uuid4())
    status, answer = system.vote(key)
    require((status, answer.get("status")) == (201, "accepted"), f"a vote through the proxy: {status} {told(answer)}")
    status, answer = system.vote(key)
    require((status, answer.get("status")) == (200, "already_accepted"), f"the same again: {status} {told(answer)}")
    system.expect(1)
    passed("the standing has it, from the same origin")
    status, _ = system.ask("GET", f"/v1/polls/{POLL}/votes")
    require(status == 405, "what is below votes goes to ingest")
    status, answer = system.ask("GET", "/metrics")
    require(status == 404, "metrics are not public")
    lines = system.votectl("smoke", "--ingest=http://ingest:8080", "--results=http://results:8081").splitlines()
    passed(f"votectl smoke: {lines[-1].strip()}")


def check_secrets(system: System) -> None:
    folder = ROOT / "deploy/compose/secrets"
    secrets = [path.read_text().strip() for path in folder.iterdir() if path.is_file() and path.name != "redis_users"]
    shown = system.docker.out("inspect", *system.compose("ps", "--all", "--quiet").split())
    require(not any(secret in shown for secret in secrets), "no secret is in any container's configuration")
    (redis,) = system.containers("redis")
    for user in ([], ["--user", "probe", "--pass", "x", "--no-auth-warning"]):
        said = system.docker.run("exec", redis, "redis-cli", *user, "hgetall", "vote:polls", check=False)
        if "NOAUTH" not in said.stdout and "NOPERM" not in said.stdout:
            raise Failed(f"Redis answers {' '.join(user) or 'anybody'}: {said.stdout}")
    passed("Redis answers nobody without a password")


def check_scaled(system: System) -> int:
    system.up("--no-recreate", "--scale=ingest=3")
    require(len(system.containers("ingest")) == 3, "`--scale ingest=3` starts two more")
    with Load(system, retry=False) as load:
        until(15, "all three take votes", lambda: len(load.writers) >= 3)
    require(not load.failures, f"all three took some of {load.counted} votes" if not load.failures else load.failures[0])
    system.audit(1 + load.counted)
    return load.counted


def check_rolled(system: System) -> int:
    """Every container of both services is replaced, and no request fails."""
    before = {service: set(system.containers(service)) for service in SCALED}
    start = time.monotonic()
    with Load(system, retry=False) as load:
        for service in SCALED:
            system.docker.call(
                ROOT / "deploy/compose/roll.sh", service, limit_s=STEP_LIMIT_S,
                env=system.environment | {"COMPOSE": " ".join(system.command), "DOCKER": system.docker.client},
            )  # fmt: skip
    took = time.monotonic() - start
    for service in SCALED:
        after = set(system.containers(service))
        require(
            len(after) == len(before[service]) and not after & before[service], f"{len(after)} of {service} are new"
        )
    if load.failures:
        raise Failed(f"{len(load.failures)} requests failed while rolling, the first: {load.failures[0]}")
    passed(f"no request failed meanwhile: {load.counted} votes and {load.reads} reads in {took:.0f} s")
    return load.counted


def check_broken(system: System) -> int:
    """An ingest is killed, Redis is restarted, and each vote still counts once."""
    with Load(system, retry=True) as load:
        time.sleep(1)
        system.docker.run("kill", system.containers("ingest")[0])
        time.sleep(2)
        system.compose("restart", "redis")
        # Votes again, by new batches.
        reached = load.counted + 20
        until(30, "votes are taken again", lambda: load.counted >= reached)
    if load.failures:
        raise Failed(f"{len(load.failures)} requests failed for good, the first: {load.failures[0]}")
    passed(
        f"an ingest killed and Redis restarted: {load.counted} votes, {load.repeated} of them sent again, "
        f"and {load.reads} reads without a failure"
    )
    return load.counted


def check_again(system: System, votes: int) -> None:
    system.audit(votes)
    # Nothing is left of any process: what is there afterwards was on disk.
    system.compose("down")
    system.up()
    require(len(system.containers("ingest")) == 1, "`down` and `up` once more: the poll is as it was")
    system.audit(votes)
    status, _ = system.vote(str(uuid.uuid4()))
    require(status == 201, "which takes votes")
    system.audit(votes + 1)


def check_cluster(system: System) -> None:
    status, answer = system.vote(str(uuid.uuid4()))
    require(status == 201, f"a vote: {status} {told(answer)}")
    master = master_of_poll(system)
    (container,) = system.containers(master)
    with Load(system, retry=True) as load:
        time.sleep(1)
        system.docker.run("kill", container)
        until(30, "another node is the poll's master", lambda: master_of_poll(system, but=master) != master, pause_s=1)
        reached = load.counted + 20
        until(30, "votes are taken again", lambda: load.counted >= reached)
        system.docker.run("start", container)
    if load.failures:
        raise Failed(load.failures[0])
    passed(f"{master}, which had the poll, killed: {load.counted} votes, {load.repeated} of them sent again")
    system.audit(1 + load.counted)


def master_of_poll(system: System, but: str | None = None) -> str:
    """Which node has the poll's votes, as another node than `but` knows it."""
    asked = "redis-1" if but != "redis-1" else "redis-2"
    (container,) = system.containers(asked)
    password = (ROOT / "deploy/compose/secrets/redis_cluster_setup").read_text()
    login = ("--no-auth-warning", "--user", "cluster-setup", "--pass", password)

    def cluster(*arguments: str) -> str:
        return system.docker.out("exec", container, "redis-cli", *login, "cluster", *arguments)

    slot = int(cluster("keyslot", f"vote:{{{POLL}/0}}:tally"))
    for line in cluster("nodes").splitlines():
        # id address flags master-id ping pong epoch link slots…
        _, address, flags, _, _, _, _, _, *slots = line.split()
        for first, last in (range_.split("-") for range_ in slots if re.fullmatch(r"\d+-\d+", range_)):
            if "master" in flags and "fail" not in flags and int(first) <= slot <= int(last):
                return f"redis-{int(address.split(':')[0].rpartition('.')[2]) - 10}"
    raise Failed("no node has the poll's slot")


if __name__ == "__main__":
    raise SystemExit(main())

#!/usr/bin/env python3
"""Checks compose.yaml: every combination of profiles is right, every service keeps the rules (configuration.py); roll.sh
keeps what does not end well (rolling.py). Then, where there is an engine, the system runs: votes go through the proxy, are
read back, and are all there after ingest was scaled, rolled and killed, and Redis restarted. At last the poll moves to a
cluster, by its backup, and goes on there.

Only images that can be had are run: ours, Redis and the proxy, or stand-ins for them (lib/stand_ins.py). Without a registry
the services of the profile "observability" are checked by their configuration alone.
"""

import argparse
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import uuid

from compose import configuration, rolling
from compose.configuration import SCALED
from compose.load import Load
from compose.system import POLL, PROJECT, System
from lib import ROOT, report
from lib.bases import BUILDER, PROXY, REDIS, RUNTIME
from lib.docker import Docker
from lib.engine import with_engine
from lib.report import Failed, left_out, passed, require, title
from lib.wait import until

BUILD_LIMIT_S = 45 * 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compose", type=pathlib.Path, required=True, help="the docker-compose binary")
    compose = str(parser.parse_args().compose.resolve())

    def check() -> None:
        configuration.check(compose)
        rolling.check()
        with_engine(functools.partial(check_running, compose))()

    return report.main("compose-check", check)


def told(answer: dict) -> str:
    """What an answer comes to: `accepted`, or a problem's code."""
    return answer.get("code") or answer.get("status")


def check_running(compose: str, docker: Docker) -> None:
    docker.provide(BUILDER, RUNTIME, REDIS, PROXY)
    for image in (REDIS, PROXY):
        if docker.is_stand_in(image):
            passed(f"{image} is a stand-in")
    docker.call(
        "make", "--no-print-directory", "images", f"DOCKER={docker.client}", "IMAGE_TAG=check", "IMAGE_PREFIX=paredao",
        cwd=ROOT, limit_s=BUILD_LIMIT_S,
    )  # fmt: skip
    subprocess.run([ROOT / "deploy/compose/secrets.sh"], check=True, timeout=30)
    with tempfile.TemporaryDirectory(prefix="paredao-compose-") as folder:
        folder = pathlib.Path(folder)
        cluster = folder / "cluster.env"
        backup = folder / "backup.json"
        title("one Redis")
        system = System(docker, compose, pathlib.Path(os.devnull))
        with system.running():
            votes = check_one(system, cluster)
            backup.write_text(system.votectl("export", POLL, "--what", "backup"))
        title("a cluster, without the demo poll")
        system.script("with.sh", "--file", str(cluster), "cluster")
        system = System(docker, compose, cluster, VOTE_DEMO="0")
        with system.running():
            check_cluster(system, votes, backup)
        title("beside")
        check_alloy(system, folder)
    left_out('the services of the profile "observability" were checked by their configuration alone')


def check_one(system: System, cluster: pathlib.Path) -> int:
    check_first_votes(system)
    check_watched(system)
    check_secrets(system)
    check_administered(system)
    check_refusals(system, cluster)
    votes = 1
    votes += check_scaled(system)
    votes += check_rolled(system)
    votes += check_broken(system)
    return check_again(system, votes)


def check_first_votes(system: System) -> None:
    key = str(uuid.uuid4())
    status, answer = system.vote(key)
    require((status, answer.get("status")) == (201, "accepted"), f"a vote through the proxy: {status} {told(answer)}")
    status, answer = system.vote(key)
    require((status, answer.get("status")) == (200, "already_accepted"), f"the same again: {status} {told(answer)}")
    require("receipt" in answer, "with a receipt of its own")
    system.expect(1)
    passed("the standing has it, from the same origin")
    status, _ = system.ask(f"/v1/polls/{POLL}/votes")
    require(status == 405, "what is below votes goes to ingest")
    status, answer = system.ask("/metrics")
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


def check_watched(system: System) -> None:
    """What the job `proxy` of prometheus.yml scrapes, from the network on which Prometheus is."""
    said = system.docker.out(
        "run", "--rm", f"--network={PROJECT}_watch", RUNTIME, "wget", "-q", "-O", "-", "http://proxy:8404/metrics"
    )
    servers = {name: re.search(rf'^haproxy_backend_active_servers{{proxy="{name}"}} 1$', said, re.M) for name in SCALED}
    require(all(servers.values()), "Prometheus' network reaches the proxy's metrics: a server of each service")


def check_administered(system: System) -> None:
    said = system.script("redis-cli.sh", "CONFIG", "GET", "maxmemory").stdout.split()
    require(said == ["maxmemory", str(384 << 20)], "redis-cli.sh reads Redis' settings")
    said = system.script("redis-cli.sh", "ACL", "WHOAMI").stdout.strip()
    require(said == "admin", "it does so as admin")
    system.script("redis-cli.sh", "BGREWRITEAOF")
    done = system.script("redis-cli.sh", "--user", "probe", "--pass", "probe", "CONFIG", "GET", "maxmemory", check=False)
    require(done.returncode == 1 and "NOPERM" in done.stdout + done.stderr, "another user may not, and it exits 1")
    password = (ROOT / "deploy/compose/secrets/redis_votectl").read_text()
    (redis,) = system.containers("redis")
    command = ("redis-cli", "--user", "votectl", "CONFIG", "SET", "maxmemory", "0")
    secret = {"REDISCLI_AUTH": password}
    done = system.docker.run("exec", "--env=REDISCLI_AUTH", redis, *command, env=secret, check=False)
    require("NOPERM" in done.stdout + done.stderr, "votectl may not change the server")


def check_refusals(system: System, cluster: pathlib.Path) -> None:
    """Nothing is started on another Redis than what runs."""
    done = system.script("with.sh", "--file", str(cluster), "cluster", check=False)
    lines = done.stderr.splitlines()
    if done.returncode != 1 or len(lines) != 1 or not lines[0].startswith("refused: ") or cluster.exists():
        raise Failed(f"with.sh cluster while one Redis has the votes: {done.returncode} {done.stdout}{done.stderr}")
    passed(f"with.sh cluster is {lines[0][:40]}…")

    def shown() -> dict:
        return {service: system.containers(service) for service in SCALED}

    before = shown()
    for service in SCALED:
        done = system.script("roll.sh", service, check=False, env_file=ROOT / "deploy/compose/cluster.env")
        if done.returncode != 1 or done.stderr.splitlines() != lines:
            raise Failed(f"roll.sh {service} with another Redis: {done.returncode} {done.stdout}{done.stderr}")
    require(shown() == before, "roll.sh is refused as well, in one line, and starts nothing")


def check_scaled(system: System) -> int:
    system.up("--no-recreate", "--scale=ingest=3")
    require(len(system.containers("ingest")) == 3, "`--scale ingest=3` starts two more")
    with Load(system, retry=False) as load:
        until("all three take votes", lambda: len(load.writers) >= 3, 15)
    require(not load.failures, f"all three took some of {load.counted} votes" if not load.failures else load.failures[0])
    system.audit(1 + load.counted)
    return load.counted


def check_rolled(system: System) -> int:
    """Every container of both services is replaced, and no request fails."""
    before = {service: set(system.containers(service)) for service in SCALED}
    start = time.monotonic()
    with Load(system, retry=False) as load:
        for service in SCALED:
            system.script("roll.sh", service)
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
        until("votes are taken again", lambda: load.counted >= reached, 30)
    if load.failures:
        raise Failed(f"{len(load.failures)} requests failed for good, the first: {load.failures[0]}")
    passed(
        f"an ingest killed and Redis restarted: {load.counted} votes, {load.repeated} of them sent again, "
        f"and {load.reads} reads without a failure"
    )
    return load.counted


def check_again(system: System, votes: int) -> int:
    system.audit(votes)
    # Nothing is left of any process: what is there afterwards was on disk.
    system.compose("down")
    system.up()
    require(len(system.containers("ingest")) == 1, "`down` and `up` once more: the poll is as it was")
    system.audit(votes)
    status, _ = system.vote(str(uuid.uuid4()))
    require(status == 201, "which takes votes")
    system.audit(votes + 1)
    return votes + 1


def check_moved(system: System, votes: int, backup: pathlib.Path) -> None:
    """The poll comes back by its backup: all by the commands that docker/README.md gives."""
    require(not system.compose("ps", "--all", "--quiet", "polls"), "VOTE_DEMO=0 leaves the one-shot out")
    require(system.votectl("--output=json", "poll", "list") == "[]", "there is no poll")
    with open(ROOT / "deploy/polls/rehearsal.yaml") as file:
        system.votectl("poll", "apply", "-", stdin=file)
    passed("votectl poll apply - < deploy/polls/rehearsal.yaml")
    for options in (["--dry-run"], []):
        with open(backup) as file:
            system.votectl("import", "-", *options, stdin=file)
    system.audit(votes)
    system.votectl("poll", "resume", POLL)
    passed("imported from the one Redis' backup by standard input, and resumed")


def check_cluster(system: System, votes: int, backup: pathlib.Path) -> None:
    check_moved(system, votes, backup)
    said = system.script("redis-cli.sh", "CLUSTER", "INFO", REDIS_NODE="redis-6").stdout
    require("cluster_known_nodes:6" in said, "redis-cli.sh asks the node that REDIS_NODE names")
    status, answer = system.vote(str(uuid.uuid4()))
    require(status == 201, f"a vote: {status} {told(answer)}")
    master = master_of_poll(system)
    (container,) = system.containers(master)
    with Load(system, retry=True) as load:
        time.sleep(1)
        system.docker.run("kill", container)
        until("another node is the poll's master", lambda: master_of_poll(system, but=master) != master, 30, pause_s=1)
        reached = load.counted + 20
        until("votes are taken again", lambda: load.counted >= reached, 30)
        system.docker.run("start", container)
    if load.failures:
        raise Failed(load.failures[0])
    passed(f"{master}, which had the poll, killed: {load.counted} votes, {load.repeated} of them sent again")
    system.audit(votes + 1 + load.counted)


def check_alloy(system: System, folder: pathlib.Path) -> None:
    """It can write in its volume, as root without capabilities; its image's own folder is another user's."""
    image = "paredao/alloy-folder:check"
    recipe = folder / "Dockerfile"
    recipe.write_text(
        f"FROM {RUNTIME}\n"
        "RUN mkdir -p /var/lib/alloy/data && chown -R 473:473 /var/lib/alloy && chmod -R 770 /var/lib/alloy\n"
    )
    with open(recipe) as file:
        system.docker.run("build", "--quiet", "--tag", image, "-", stdin=file, limit_s=120)
    command = ("--volume=/var/lib/alloy/data", image, "mkdir", "/var/lib/alloy/data/x")
    said = system.docker.run("run", "--rm", "--cap-drop=ALL", *command, check=False)
    require("Permission denied" in said.stderr, "Alloy may not write in a volume over its image's own folder")
    services = json.loads(system.compose("--profile=*", "config", "--format=json"))["services"]
    option = "--storage.path="
    (path,) = (word.removeprefix(option) for word in services["alloy"]["command"] if word.startswith(option))
    other = folder / "alloy.yaml"
    # Docker's socket need not be where it is elsewhere.
    other.write_text(json.dumps({"services": {"alloy": {
        "image": image, "entrypoint": ["mkdir"], "command": [f"{path}/remotecfg"],
        "volumes": [f"{os.devnull}:/var/run/docker.sock:ro"],
    }}}))  # fmt: skip
    files = (f"--file={ROOT / 'compose.yaml'}", f"--file={other}")
    try:
        system.compose(*files, "run", "--rm", "-T", "alloy")
    finally:
        system.compose(*files, "--profile=*", "down", "--volumes", check=False)
        system.docker.run("image", "rm", image, check=False)
    passed("it may where it keeps what it has read")


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

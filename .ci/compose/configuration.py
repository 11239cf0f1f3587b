"""What compose.yaml and the scripts beside it must be, told by what Compose makes of them: no engine is needed."""

import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from lib import ROOT
from lib.report import Failed, passed, require, title, wrong

PROFILES = ("cluster", "observability", "tools")
ONE_SHOTS = {"polls", "redis-cluster", "votectl"}
SCALED = ("ingest", "results")
# Its password is for deploy/compose/redis-cli.sh alone.
ADMIN = "redis_admin"
# shutdown.grace_ms + 1.25 * shutdown.drain_timeout_ms + 5 s, by defaults.toml
DRAIN_S = 3.0 + 1.25 * 10.0 + 5.0


def check(compose: str) -> None:
    title("compose.yaml")
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
    check_with(compose)
    check_make()
    check_retention(compose)
    services = json.loads(configuration(compose, PROFILES, ["--format=json"]))["services"]
    problems = [(name, problem) for name, service in services.items() for problem in rules(name, service)]
    for name, problem in problems:
        wrong(f"compose.yaml, {name}", problem)
    if not problems:
        passed(f"{len(services)} services keep the rules")


def configuration(compose: str, profiles: tuple[str, ...], options: list[str], folder: pathlib.Path = ROOT) -> str:
    """What Compose makes of the file; of ROOT's without a `.env`, which is somebody's own."""
    arguments = [f"--profile={profile}" for profile in profiles]
    if folder == ROOT:
        arguments.append(f"--env-file={os.devnull}")
    done = subprocess.run(
        [compose, *arguments, "config", *options],
        cwd=folder, env=plain_environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if done.returncode != 0 or "level=warning" in done.stderr:
        raise Failed(f"docker compose {' '.join(arguments)} config: {done.stderr.strip()}")
    return done.stdout


def plain_environment() -> dict[str, str]:
    """This machine's, without what would change the file's meaning."""
    changing = ("VOTE_", "COMPOSE_", "OTEL_", "IMAGE_")
    return {key: value for key, value in os.environ.items() if not key.startswith(changing)}


def check_with(compose: str) -> None:
    """What with.sh has written goes for every plain command after it, and nothing else of `.env` is changed."""
    with tempfile.TemporaryDirectory(prefix="paredao-with-") as folder:
        folder = pathlib.Path(folder)
        shutil.copy2(ROOT / "compose.yaml", folder)
        shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("secrets"))
        settings = folder / ".env"

        def apply(*names: str) -> dict:
            # Of another project: what runs here has nothing to do with it.
            environment = plain_environment() | {"COMPOSE": compose, "COMPOSE_PROJECT_NAME": "paredao-with"}
            done = subprocess.run(
                [folder / "deploy/compose/with.sh", *names], env=environment, capture_output=True, text=True, timeout=60
            )
            if done.returncode != 0:
                raise Failed(f"with.sh {' '.join(names)}: {done.stderr.strip()}")
            return json.loads(configuration(compose, (), ["--format=json"], folder))["services"]

        plain = set(apply())
        require(not settings.exists() and "redis-1" not in plain, "with.sh without a name leaves no .env")
        # No newline at its end.
        settings.write_text("VOTE_LOG_LEVEL=debug\nVOTE_REDIS_URL=redis://mine:6379")
        both = apply("cluster", "observability")
        ingest = both["ingest"]["environment"]
        expected = {
            "VOTE__LOG__LEVEL": "debug",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector:4317",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        }
        for service in ("ingest", "results", "polls"):
            url = both[service]["environment"]["VOTE__REDIS__URL"]
            if not url.startswith("redis+cluster://redis-1:6379"):
                raise Failed(f"with.sh cluster: {service} has {url}")
        if expected.items() - ingest.items() or both["redis"]["deploy"]["replicas"] != 0:
            raise Failed(f"with.sh cluster observability: {ingest}, {both['redis']['deploy']}")
        require({"redis-1", "redis-6", "grafana"} <= set(both), f"with.sh cluster observability: {len(both)} services")
        only = apply("observability")
        url = only["ingest"]["environment"]["VOTE__REDIS__URL"]
        require("redis-1" not in only and url == "redis://mine:6379", "with.sh observability takes the cluster back")
        apply()
        require(
            settings.read_text() == "VOTE_LOG_LEVEL=debug\nVOTE_REDIS_URL=redis://mine:6379\n",
            "with.sh without a name takes its block out of .env, and nothing else",
        )


def check_make() -> None:
    """`make up` says to with.sh what WITH says, and without WITH leaves it at what was said before."""
    # Not what this one was called with.
    environment = {key: value for key, value in plain_environment().items() if key not in ("MAKEFLAGS", "WITH")}

    def dry(*arguments: str) -> str:
        command = ["make", "--dry-run", "--no-print-directory", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    require(
        "with.sh cluster observability\n" in dry("up", "WITH=cluster observability")
        and re.search(r"with\.sh *\n", dry("up", "WITH="))
        and "with.sh" not in dry("up")
        and "same-redis.sh\n" in dry("up"),
        "make up WITH=… is kept by with.sh, make up alone keeps to it",
    )


def check_retention(compose: str) -> None:
    """Prometheus keeps what the longest look back of a rule or a panel needs."""
    services = json.loads(configuration(compose, PROFILES, ["--format=json"]))["services"]
    option = "--storage.tsdb.retention.time="
    kept = next(word.removeprefix(option) for word in services["prometheus"]["command"] if word.startswith(option))
    said = re.findall(re.escape(option) + r"(\w+)", (ROOT / "deploy/prometheus/prometheus.yml").read_text())
    if any(other != kept for other in said):
        raise Failed(f"prometheus.yml asks for {option}{said[0]}, compose.yaml has {kept}")
    back = re.compile(r"(?:\[|\boffset |\bnow-)((?:\d+(?:ms|[smhdwy]))+)")
    files = [*(ROOT / "deploy/prometheus/rules").glob("*.yaml"), *(ROOT / "deploy/grafana/dashboards").glob("*.json")]
    longest = max((window for file in files for window in back.findall(file.read_text())), key=seconds)
    require(seconds(longest) <= seconds(kept), f"rules and panels look back {longest} at most, Prometheus keeps {kept}")


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
    if any(secret["source"] == ADMIN for secret in service.get("secrets", [])):
        yield "it has the password of Redis' administrator"
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
    units = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|[ywdhms])", duration))

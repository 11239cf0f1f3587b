"""Which crate depends on which. What tests use is left out."""

import functools
import json
import subprocess
from collections.abc import Iterator

from lib import ROOT
from lib.report import Failed

# Of our own crates, each may use these.
ALLOWED = {
    "vote-domain": set(),
    "vote-testkit": {"vote-domain"},
    "vote-store": {"vote-domain"},
    "vote-limits": set(),
    "vote-runtime": {"vote-domain", "vote-store", "vote-limits"},
    "vote-http": {"vote-domain", "vote-runtime", "vote-limits"},
    "vote-site": {"vote-domain"},
    # Tokens of voters and their keys: neither the web server nor the store.
    "vote-voters": {"vote-domain", "vote-client"},
    "vote-proof": {"vote-domain"},
    "vote-ingest": {
        "vote-client",
        "vote-domain",
        "vote-store",
        "vote-runtime",
        "vote-http",
        "vote-limits",
        "vote-proof",
        "vote-site",
        "vote-voters",
    },
    "vote-overlay": set(),
    "vote-results": {"vote-domain", "vote-store", "vote-runtime", "vote-http", "vote-overlay", "vote-site"},
    "vote-bench": set(),
    "vote-client": {"vote-runtime"},
    "vote-dev": {"vote-client", "vote-store", "vote-voters"},
    "votectl": {
        "vote-domain",
        "vote-store",
        "vote-runtime",
        "vote-client",
        "vote-dev",
        "vote-overlay",
        "vote-proof",
        "vote-voters",
    },
    # Faults from outside: real processes, and what the operator looks at to see what they did.
    "vote-chaos": {"vote-domain", "vote-store", "vote-runtime", "vote-client", "vote-proof", "vote-testkit"},
}
# Who may name a Redis command. The fault suite pauses, fills and demotes servers; it names none of our keys.
REDIS = {"redis", "deadpool-redis"}
MAY_USE_REDIS = {"vote-store", "vote-testkit", "vote-chaos"}
# What must not be anywhere below the domain, or the operator's tool: each is a name, or the beginning of names.
NOT_IN_DOMAIN = ("tokio", "redis", "deadpool", "actix", "config", "hyper", "reqwest", "opentelemetry")
NOT_IN_OPERATOR = ("actix", "axum", "warp", "utoipa")
MOST_OF_OPERATOR = 205


def cargo(*arguments: str) -> str:
    done = subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"cargo {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@functools.cache
def packages() -> list[dict]:
    return json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["packages"]


def below(package: str, *options: str) -> set[str]:
    """Every crate that it is built of, itself included, each with its version."""
    tree = cargo("tree", "-p", package, *options, "-e", "normal", "--prefix", "none")
    return {line.removesuffix(" (*)") for line in tree.splitlines() if line}


def named(lines: set[str], names: tuple[str, ...]) -> list[str]:
    found = {line.split()[0] for line in lines}
    return sorted(crate for crate in found if any(crate == name or crate.startswith(f"{name}-") for name in names))


def dependencies() -> Iterator[str]:
    for package in packages():
        name = package["name"]
        if name not in ALLOWED:
            yield f"{name} is new: say in .ci/architecture/crates.py what it may use"
            continue
        uses = {each["name"] for each in package["dependencies"] if each["kind"] != "dev"}
        for other in sorted(uses & ALLOWED.keys() - ALLOWED[name]):
            yield f"{name} depends on {other}, which is not below it"
        for client in sorted(uses & REDIS if name not in MAY_USE_REDIS else ()):
            yield f"{name} depends on {client}: only vote-store speaks to Redis"
    for name in sorted(ALLOWED.keys() - {package["name"] for package in packages()}):
        yield f"there is no {name}: take it out of .ci/architecture/crates.py"


def domain() -> Iterator[str]:
    for crate in named(below("vote-domain", "--all-features"), NOT_IN_DOMAIN):
        yield f"vote-domain depends on {crate}: it is rules only"


def operator() -> Iterator[str]:
    """votectl is built and installed alone: it needs no server, and little else."""
    lines = below("votectl")
    for crate in named(lines, NOT_IN_OPERATOR):
        yield f"votectl depends on {crate}: it serves nobody"
    if len(lines) > MOST_OF_OPERATOR:
        yield f"votectl is built of {len(lines)} crates, and may be of {MOST_OF_OPERATOR}"

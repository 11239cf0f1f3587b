#!/usr/bin/env python3
"""Checks which crate depends on which, so that the layers stay layers.

`ingest`, `results`, `votectl` -> `service`, `store` -> `domain`. Only `store` speaks to Redis, and the
domain has no runtime, no server and no settings below it. What tests use is left out.
"""

import json
import subprocess
import sys

# Of our own crates, each may use these.
ALLOWED = {
    "vote-domain": set(),
    "vote-testkit": set(),
    "vote-store": {"vote-domain"},
    "vote-runtime": {"vote-domain"},
    "vote-http": {"vote-domain", "vote-runtime"},
    "vote-ingest": {"vote-domain", "vote-store", "vote-runtime", "vote-http"},
    "vote-results": {"vote-domain", "vote-store", "vote-runtime", "vote-http"},
    "votectl": {"vote-domain", "vote-store", "vote-runtime"},
    # Faults from outside: real processes, and the operator's own tools to look at what they did.
    "vote-chaos": {"vote-domain", "vote-store", "vote-runtime", "vote-testkit", "votectl"},
}
# Who may name a Redis command. The fault suite pauses, fills and demotes servers; it names none of our keys.
REDIS = {"redis", "deadpool-redis"}
MAY_USE_REDIS = {"vote-store", "vote-testkit", "vote-chaos"}
# What must not be anywhere below the domain: each is a name, or the beginning of names.
NOT_IN_DOMAIN = ("tokio", "redis", "deadpool", "actix", "config", "hyper", "reqwest", "opentelemetry")


def cargo(*arguments: str) -> str:
    done = subprocess.run(["cargo", *arguments, "--locked"], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main() -> int:
    violations = []
    for package in json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["packages"]:
        name = package["name"]
        if name not in ALLOWED:
            violations.append(f"{name} is new: say in .ci/architecture.py what it may use")
            continue
        uses = {each["name"] for each in package["dependencies"] if each["kind"] != "dev"}
        for other in sorted(uses & ALLOWED.keys() - ALLOWED[name]):
            violations.append(f"{name} depends on {other}, which is not below it")
        for client in sorted(uses & REDIS if name not in MAY_USE_REDIS else ()):
            violations.append(f"{name} depends on {client}: only vote-store speaks to Redis")
    tree = cargo("tree", "-p", "vote-domain", "--all-features", "-e", "normal", "--prefix", "none", "-f", "{p}")
    for line in sorted(set(tree.splitlines())):
        crate = line.split()[0] if line else ""
        if any(crate == name or crate.startswith(f"{name}-") for name in NOT_IN_DOMAIN):
            violations.append(f"vote-domain depends on {crate}: it is rules only")
    for violation in violations:
        print(violation, file=sys.stderr)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

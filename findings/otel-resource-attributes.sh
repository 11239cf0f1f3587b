#!/usr/bin/env bash
# crate opentelemetry_sdk 0.33.1: OTEL_RESOURCE_ATTRIBUTES is not percent-decoded, so a value with a comma cannot be given.
#
# OpenTelemetry, Resource SDK, "Specifying resource information via an environment variable": "The , and = characters in keys
# and values MUST be percent encoded. Other characters MAY be percent-encoded". The crate splits at the commas and keeps the
# rest as it is. The same variable means one thing to a Python service and another to a Rust service of the same release, so a
# query by that attribute finds half of them. Values of plain letters are the same everywhere, so a test does not show it.
#
# Who runs Rust services beside others gives such attributes in code, or keeps to characters that need no encoding.
#
# Seen with opentelemetry_sdk 0.33.1, beside PyPI opentelemetry-sdk 1.45.2. Output:
#   Rust: show.name=Final%2C%20part%202
#   Python: show.name=Final, part 2
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2

mkdir -p src
cat > Cargo.toml <<'TOML'
[package]
name = "attributes"
version = "0.0.0"
edition = "2021"

[dependencies]
opentelemetry = { version = "=0.33.1", default-features = false }
opentelemetry_sdk = { version = "=0.33.1", default-features = false }

[workspace]
TOML
cat > src/main.rs <<'RS'
use opentelemetry_sdk::resource::{EnvResourceDetector, ResourceDetector};

fn main() {
    for (key, value) in EnvResourceDetector::new().detect().iter() {
        println!("{key}={value}");
    }
}
RS
cat > attributes.py <<'PY'
from opentelemetry.sdk.resources import OTELResourceDetector

print("show.name=" + OTELResourceDetector().detect().attributes["show.name"])
PY

export OTEL_RESOURCE_ATTRIBUTES='show.name=Final%2C%20part%202'
export CARGO_TARGET_DIR="$folder/target" CARGO_BUILD_JOBS=1
found=$(
  echo "Rust: $(cargo run --quiet)"
  echo "Python: $(venv/bin/python attributes.py)"
)
echo "$found"
[ "$found" = 'Rust: show.name=Final%2C%20part%202
Python: show.name=Final, part 2' ]

#!/usr/bin/env bash
# crate problem_details 0.11.0: a problem whose `type` is a URN, a `tag:` URI of a host, or a `../` reference can't be read.
#
# RFC 9457, 3.1.1: `type` is "a JSON string containing a URI reference", and "The type URI is allowed to be a non-resolvable URI.
# For example, the tag URI scheme [TAG] can be used to uniquely identify problem types". The crate keeps it as an `http::Uri`,
# which takes what stands in an HTTP request and no other URI. One such member makes the whole document an error, with title,
# status and all. The RFC's own `tag:` example passes, since it looks like a host with a user before it and a port behind; the
# next one does not. A bare `closed`, a relative reference, is kept as a host name. `instance` has the same kind of value.
#
# So a server in Rust can't send such types with it, and a client of somebody else's API loses the whole answer to an error.
# An absolute https URI, or a path from the root, is what every reader takes.
#
# Seen with problem_details 0.11.0. Output:
#   https://example.org/problems/closed: read
#   /problems/closed: read
#   about:blank: read
#   tag:example@example.org,2021-09-17:OutOfLuck: read
#   tag:example.org,2021-09-17:OutOfLuck: invalid value, expected uri
#   urn:problem:closed: invalid value, expected uri
#   ../problems/closed: invalid value, expected uri
#   closed: read, as a host
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p src
cat > Cargo.toml <<'TOML'
[package]
name = "problem"
version = "0.0.0"
edition = "2021"

[dependencies]
problem_details = "=0.11.0"
serde_json = "1"

[workspace]
TOML
cat > src/main.rs <<'RS'
use problem_details::ProblemDetails;

fn main() {
    for uri in [
        "https://example.org/problems/closed",
        "/problems/closed",
        "about:blank",
        "tag:example@example.org,2021-09-17:OutOfLuck",
        "tag:example.org,2021-09-17:OutOfLuck",
        "urn:problem:closed",
        "../problems/closed",
        "closed",
    ] {
        let text = serde_json::json!({ "type": uri, "title": "The poll is closed.", "status": 409 }).to_string();
        match serde_json::from_str::<ProblemDetails>(&text) {
            Ok(problem) => {
                let read = problem.r#type.expect("a type");
                assert_eq!(read.to_string(), uri);
                println!("{uri}: read{}", if read.host() == Some(uri) { ", as a host" } else { "" });
            }
            Err(error) if error.to_string().contains("invalid value") && error.to_string().contains("expected uri") => {
                println!("{uri}: invalid value, expected uri");
            }
            Err(error) => println!("{uri}: {error}"),
        }
    }
}
RS

export CARGO_TARGET_DIR="$folder/target" CARGO_BUILD_JOBS=1
found=$(cargo run --quiet)
echo "$found"
[ "$found" = 'https://example.org/problems/closed: read
/problems/closed: read
about:blank: read
tag:example@example.org,2021-09-17:OutOfLuck: read
tag:example.org,2021-09-17:OutOfLuck: invalid value, expected uri
urn:problem:closed: invalid value, expected uri
../problems/closed: invalid value, expected uri
closed: read, as a host' ]

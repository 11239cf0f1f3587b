#!/usr/bin/env bash
# crate prometheus-parse 0.2.5: a label whose value has a `=` is lost, a `,` cuts it, a `}` or a `:` in the name loses the sample.
#
# Prometheus, text-based format, Text format details: "label_value can be any sequence of UTF-8 characters, but the backslash (\),
# double-quote ("), and line feed (\n) characters have to be escaped"; a metric's name has "the usual Prometheus expression
# language restrictions", which allow the colon, as every recorded series has one. The crate splits at commas and equals signs
# without looking at the quotes. It returns Ok, and two series that differ in such a label alone become the same one twice.
#
# A path with a query, a route pattern, a poll's title, a recorded series from Prometheus' /federate: all are usual.
#
# Seen with prometheus-parse 0.2.5, beside openmetrics-parser 0.5.1, which reads all five. Output:
#   hits{path="/polls?page=2",code="200"} 5 => hits{code="200"}
#   hits{show="Ana, Bia"} 5 => hits{show="Ana"}
#   hits{route="/polls/{id}"} 5 => nothing
#   poll:hits:rate1m 5 => nothing
#   hits{path="/polls",code="200"} 5 => hits{code="200",path="/polls"}
# Exits with 1 where that is so no longer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p src
cat > Cargo.toml <<'TOML'
[package]
name = "labels"
version = "0.0.0"
edition = "2021"

[dependencies]
openmetrics-parser = "=0.5.1"
prometheus-parse = "=0.2.5"

[workspace]
TOML
cat > src/main.rs <<'RS'
use openmetrics_parser::prometheus::parse_prometheus;
use prometheus_parse::Scrape;

fn main() {
    for line in [
        r#"hits{path="/polls?page=2",code="200"} 5"#,
        r#"hits{show="Ana, Bia"} 5"#,
        r#"hits{route="/polls/{id}"} 5"#,
        r#"poll:hits:rate1m 5"#,
        r#"hits{path="/polls",code="200"} 5"#,
    ] {
        let other = parse_prometheus(&format!("{line}\n")).expect("the other parser takes it");
        assert_eq!(other.families.values().map(|family| family.iter_samples().count()).sum::<usize>(), 1);

        let read = Scrape::parse([Ok(line.to_owned())].into_iter()).expect("no error");
        let all: Vec<String> = read.samples.iter().map(|one| format!("{}{{{}}}", one.metric, one.labels)).collect();
        println!("{line} => {}", if all.is_empty() { "nothing".to_owned() } else { all.join(" ") });
    }
}
RS

export CARGO_TARGET_DIR="$folder/target" CARGO_BUILD_JOBS=1
found=$(cargo run --quiet)
echo "$found"
[ "$found" = 'hits{path="/polls?page=2",code="200"} 5 => hits{code="200"}
hits{show="Ana, Bia"} 5 => hits{show="Ana"}
hits{route="/polls/{id}"} 5 => nothing
poll:hits:rate1m 5 => nothing
hits{path="/polls",code="200"} 5 => hits{code="200",path="/polls"}' ]

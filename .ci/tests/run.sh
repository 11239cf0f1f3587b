#!/usr/bin/env bash
# Runs the tests, with nextest where it is installed, then the examples in the documentation, and ends with a line that
# counts all of them: `run.sh [ARGUMENT…]`. Arguments are nextest's or cargo test's; the examples are left out then.
set -euo pipefail
cargo=${CARGO:-cargo}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# What is piped has no colours otherwise.
if [ -t 1 ]; then export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-always}"; fi

# Sums what the test runners say they have run. $cargo may be two words.
count() {
  awk '
    { gsub(/\033\[[0-9;]*m/, "") }
    # "Summary [ 8.1s] 312 tests run: 309 passed (2 slow), 2 failed, 1 timed out, 4 skipped"
    /^ *Summary \[/ {
      sub(/.*tests? run: */, "")
      n = split($0, parts, /, */)
      for (i = 1; i <= n; i++) {
        if (parts[i] ~ /^[0-9]+ passed/) passed += parts[i]
        else if (parts[i] ~ /^[0-9]+ (failed|timed out|exec failed)/) failed += parts[i]
        else if (parts[i] ~ /^[0-9]+ skipped/) skipped += parts[i]
      }
    }
    # "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s"
    /^test result: / {
      for (i = 1; i < NF; i++) {
        if ($(i + 1) == "passed;") passed += $i
        else if ($(i + 1) == "failed;") failed += $i
        else if ($(i + 1) == "ignored;" || $(i + 1) " " $(i + 2) == "filtered out;") skipped += $i
      }
    }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }
  ' "$log"
}

# Tests wait for servers and clocks more than they compute.
export NEXTEST_TEST_THREADS="${NEXTEST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}"
whole=(--workspace)
if [ "$#" != 0 ]; then whole=(); fi
code=0
if $cargo nextest --version >/dev/null 2>&1; then
  tests=(nextest run)
else
  tests=(test --lib --bins --tests --examples)
fi
$cargo "${tests[@]}" --locked ${whole[@]+"${whole[@]}"} "$@" 2>&1 | tee "$log" || code=$?
if [ "$#" = 0 ]; then
  $cargo test --workspace --doc --locked 2>&1 | tee -a "$log" || code=$?
fi
count
exit "$code"

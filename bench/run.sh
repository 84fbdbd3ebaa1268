#!/usr/bin/env bash
# The load suite against a laboratory server of its own: bench/run.sh [WORKLOAD…]   (default: floor W1 W2 W2held W3)
# OUT: file the result lines are appended to (default: results.jsonl in the laboratory's directory); REPEAT, SECS, CALLS: sizes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LAB=${LAB:-/tmp/patchbay-lab}
BENCH=${BENCH_BIN:-${CARGO_TARGET_DIR:-$here/../target}/release/patchbay-bench}
[ -x "$BENCH" ] || { echo "no program at $BENCH: cargo build --release -p patchbay-bench" >&2; exit 1; }
[ $# -gt 0 ] || set -- floor W1 W2 W2held W3

trap '"$here/lab.sh" stop' EXIT
"$here/lab.sh" start
OUT=${OUT:-$LAB/results.jsonl}
favour=()
[ "$(id -u)" != 0 ] || favour=(--favour -15)
# A session of its own, so that only the driver is favoured and not the caller's shell.
setsid -w "$BENCH" suite "$@" --peer patchbay --target 127.0.0.1:5060 --pidfile "$LAB/patchbay.pid" --out "$OUT" \
  --repeat "${REPEAT:-1}" --secs "${SECS:-10}" --calls "${CALLS:-100,300}" "${favour[@]}" >/dev/null
"$BENCH" table "$OUT"
echo "result lines: $OUT"

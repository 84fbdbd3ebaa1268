#!/usr/bin/env bash
# What a queue costs and how quickly it decides: bench/queue.sh
# AGENTS (500) phones are registered and logged in, RATE calls/s (100) come for SECS (20) and last HOLD ms (2000).
# `inv_to_callee_inv_ms` is from the caller's INVITE to the agent's; OUT: file the result line is appended to.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LAB=${LAB:-/tmp/patchbay-lab}
BENCH=${BENCH_BIN:-${CARGO_TARGET_DIR:-$here/../target}/release/patchbay-bench}
[ -x "$BENCH" ] || { echo "no program at $BENCH: cargo build --release -p patchbay-bench" >&2; exit 1; }
AGENTS=${AGENTS:-500} RATE=${RATE:-100} SECS=${SECS:-20} HOLD=${HOLD:-2000} OUT=${OUT:-$LAB/queue.jsonl}
api=http://127.0.0.1:9999/patchbay/v1

trap '"$here/lab.sh" stop' EXIT
"$here/lab.sh" start 1000
password=$(sed -n 's/.* admin  *\([a-z0-9]*\) .*/\1/p' "$LAB/out.log" | head -1)
common=(--peer patchbay --target 127.0.0.1:5060 --pidfile "$LAB/patchbay.pid" --out "$OUT")
"$BENCH" register "${common[@]}" --label "agents' phones" --users "$AGENTS" --count "$AGENTS" --rate 500 --expires 3600 \
  --local 127.0.0.5:5090 >/dev/null
python3 "$here/queue.py" "$api" "$password" "$AGENTS" 1000
"$BENCH" call "${common[@]}" --label "queue, $AGENTS agents, $RATE/s" --dial 7200 --rate "$RATE" --calls $((RATE * SECS)) --hold "$HOLD" \
  --callee 127.0.0.5:5090 | tail -n 1
sleep 3
python3 "$here/queue.py" "$api" "$password" show
curl -fs http://127.0.0.1:9999/metrics | grep -E "queue_full|panics|desk" | grep -v "^#" || true
"$BENCH" table "$OUT"
echo "result lines: $OUT"

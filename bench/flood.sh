#!/usr/bin/env bash
# What strangers and crowds cost: bench/flood.sh [flood] [avalanche]   (default: both)
#   flood      RATE messages/s (20000) for SECS (60) from SOURCES addresses (1), with 50 calls/s beside them
#   avalanche  PHONES (20000) register at once after kill -9
# OUT: file the result lines are appended to (default: flood.jsonl in the laboratory's directory).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LAB=${LAB:-/tmp/patchbay-lab}
BENCH=${BENCH_BIN:-${CARGO_TARGET_DIR:-$here/../target}/release/patchbay-bench}
[ -x "$BENCH" ] || { echo "no program at $BENCH: cargo build --release -p patchbay-bench" >&2; exit 1; }
[ $# -gt 0 ] || set -- flood avalanche
RATE=${RATE:-20000} SECS=${SECS:-60} SOURCES=${SOURCES:-1} PHONES=${PHONES:-20000}

trap '"$here/lab.sh" stop' EXIT
for what; do
  case $what in
  flood)
    "$here/lab.sh" start
    OUT=${OUT:-$LAB/flood.jsonl}
    common=(--peer patchbay --target 127.0.0.1:5060 --pidfile "$LAB/patchbay.pid" --out "$OUT")
    "$BENCH" flood "${common[@]}" --rate "$RATE" --secs $((SECS + 4)) --sources "$SOURCES" >/dev/null &
    flood=$!
    sleep 2
    "$BENCH" call "${common[@]}" --label "beside $RATE/s" --rate 50 --calls $((50 * SECS)) --hold 2000 >/dev/null || true
    wait "$flood" || true
    curl -fs http://127.0.0.1:9999/metrics | grep -E "unheard|queue_full|shed|bans_total|sip_received_total|panics" | grep -v "^#" || true
    "$here/lab.sh" stop;;
  avalanche)
    "$here/lab.sh" start "$PHONES"
    OUT=${OUT:-$LAB/flood.jsonl}
    common=(--peer patchbay --target 127.0.0.1:5060 --pidfile "$LAB/patchbay.pid" --out "$OUT" --users "$PHONES" --count "$PHONES" --expires 3600)
    "$BENCH" register "${common[@]}" --label "first, 1000/s" --rate 1000 >/dev/null
    "$here/lab.sh" restart
    # From another port than before: the switch knows none of these flows.
    "$BENCH" register "${common[@]}" --label "after restart, all at once" --rate 20000 --local 127.0.0.4:5082 >/dev/null
    "$here/lab.sh" stop;;
  *) echo "usage: $0 [flood] [avalanche]" >&2; exit 2;;
  esac
done
"$BENCH" table "$OUT" || true
tail -n 4 "$OUT"
echo "result lines: $OUT"

#!/usr/bin/env bash
# The laboratory server for load suites.
#   bench/lab.sh start [USERS]   start it (release build), add USERS users from 1000 on (default 1000); pid in $LAB/patchbay.pid
#   bench/lab.sh restart         kill -9 and start again with the same data
#   bench/lab.sh stop            stop it
# LAB (default /tmp/patchbay-lab) is its throw-away data directory, LAB_BIN the program, CONFIG the settings.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
LAB=${LAB:-/tmp/patchbay-lab}
BIN=${LAB_BIN:-${CARGO_TARGET_DIR:-$here/../target}/release/patchbay}
CONFIG=${CONFIG:-$here/lab.toml}
pidfile=$LAB/patchbay.pid
running() { [ -f "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }

case "${1:-start}" in
start)
  running && { echo "already running, pid $(cat "$pidfile")"; exit 0; }
  [ -x "$BIN" ] || { echo "no program at $BIN: cargo build --release -p patchbay-node" >&2; exit 1; }
  rm -rf "$LAB"; mkdir -p "$LAB"
  ulimit -n "$(ulimit -Hn)"
  mkdir -p "$LAB/data/prompts"; python3 "$here/prompt.py" "$LAB/data/prompts/lab.wav"
  PATCHBAY_DATA_DIR=$LAB/data setsid "$BIN" --config "$CONFIG" >"$LAB/out.log" 2>&1 </dev/null &
  echo $! >"$pidfile"
  for _ in $(seq 100); do curl -fs http://127.0.0.1:9999/healthz >/dev/null 2>&1 && break; sleep 0.1; running || { tail "$LAB/out.log" >&2; exit 1; }; done
  users=${2:-1000}
  { echo "number,name,password"; for ((i = 1000; i < 1000 + users; i++)); do echo "$i,,pw$i"; done; } >"$LAB/users.csv"
  PATCHBAY_DATA_DIR=$LAB/data "$BIN" --config "$CONFIG" extension import --allow-weak-passwords "$LAB/users.csv" >/dev/null
  echo "${AUTOGROUP_NICE:--15}" >"/proc/$(cat "$pidfile")/autogroup" 2>/dev/null || true
  echo "patchbay pid $(cat "$pidfile") on 127.0.0.1:5060, $users users";;
restart)
  kill -9 "$(cat "$pidfile")" 2>/dev/null || true
  for _ in $(seq 100); do running || break; sleep 0.1; done
  ulimit -n "$(ulimit -Hn)"
  PATCHBAY_DATA_DIR=$LAB/data setsid "$BIN" --config "$CONFIG" >>"$LAB/out.log" 2>&1 </dev/null &
  echo $! >"$pidfile"
  for _ in $(seq 100); do curl -fs http://127.0.0.1:9999/healthz >/dev/null 2>&1 && break; sleep 0.1; running || { tail "$LAB/out.log" >&2; exit 1; }; done
  echo "${AUTOGROUP_NICE:--15}" >"/proc/$(cat "$pidfile")/autogroup" 2>/dev/null || true
  echo "patchbay pid $(cat "$pidfile") again";;
stop)
  running && kill "$(cat "$pidfile")"
  for _ in $(seq 100); do running || break; sleep 0.1; done
  running && kill -9 "$(cat "$pidfile")"
  rm -f "$pidfile";;
*) echo "usage: $0 start [USERS] | restart | stop" >&2; exit 2;;
esac

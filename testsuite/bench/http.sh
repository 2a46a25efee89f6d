#!/bin/bash
# http.sh -- the HTTP example against a hand-written epoll server, in turn, under the same wrk.
#
# http.sh [ROUNDS] [SECONDS]: for 64 and for 512 connections, ROUNDS times (default 5) each server
# for SECONDS (default 3); prints the medians, and the medians of the ratios of each round.
# Needs wrk, python3 and a release build (make run builds one).
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build/release
rounds=${1:-5} seconds=${2:-3}
cmake --build "$build" --target httpd peer_raw_epoll_httpd >/dev/null
raw=$(find "$build" -name '*raw_epoll_httpd' -type f -perm -u+x | head -n 1)
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }

# round NAME CONNECTIONS PORT COMMAND...: one line "NAME CONNECTIONS requests/s CPU-us/request".
round() {
    local name=$1 connections=$2 port=$3
    "${@:4}" --port "$port" >/dev/null &
    local server=$!
    sleep 0.4
    local before after report
    before=$(ticks $server)
    report=$(wrk -t2 -c"$connections" -d"${seconds}s" "http://127.0.0.1:$port/")
    after=$(ticks $server)
    kill $server && wait $server 2>/dev/null || true
    echo "$report" | awk -v name="$name" -v c="$connections" -v ticks=$((after - before)) \
        -v hz="$(getconf CLK_TCK)" '/requests in/ {n = $1} /Requests\/sec/ {rate = $2}
        END {printf "%s %s %s %.3f\n", name, c, rate, ticks * 1e6 / hz / n}' | tee -a "$lines"
}

for ((i = 0; i < rounds; i++)); do
    for connections in 64 512; do
        round raw $connections 9181 "$raw" --threads 2
        round capri $connections 9182 "$build/docs/examples/httpd" --capabilities 2
    done
done
python3 - "$lines" <<'END'
import collections, statistics, sys

rows = collections.defaultdict(list)
for line in open(sys.argv[1]):
    name, connections, rate, cpu = line.split()
    rows[connections, name].append((float(rate), float(cpu)))
print("connections  server  requests/s  CPU us/request  ratio of requests  ratio of CPU")
for (connections, name), values in rows.items():
    pairs = list(zip(values, rows[connections, "raw"]))
    print(f"{connections:>11}  {name:<6}  {statistics.median(v[0] for v in values):>10.0f}"
          f"  {statistics.median(v[1] for v in values):>14.2f}"
          f"  {statistics.median(a[0] / b[0] for a, b in pairs):>17.3f}"
          f"  {statistics.median(a[1] / b[1] for a, b in pairs):>12.3f}")
END

#!/bin/bash
# serve.sh PROGRAM [ARG...] -- run PROGRAM ARG... --port P beside a redis server of its own on P.
#
# The server listens on 127.0.0.1 only, keeps nothing on disk, and ends with the program, be it that
# this script is killed.
# Exits as the program does; 77: there is no redis-server.
set -euo pipefail

command -v redis-server >/dev/null || { echo "no redis-server (Debian: redis-server)"; exit 77; }
folder=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

# Somebody may have the port, or take it before the server does: then another one.
ready=
for ((tries = 0; tries < 50 && ${#ready} == 0; tries++)); do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    rm -f "$folder/log"
    mkfifo "$folder/log"
    setpriv --pdeathsig KILL \
        redis-server --port $port --bind 127.0.0.1 --save "" --appendonly no --daemonize no \
        --dir "$folder" --logfile "" --timeout 0 >"$folder/log" 2>&1 &
    server=$!
    while IFS= read -r line; do
        case $line in *"Ready to accept connections"*) ready=1; break ;; esac
    done <"$folder/log"
    [ -n "$ready" ] || { wait "$server" || true; server=; }
done
[ -n "$ready" ] || { echo "redis-server does not start" >&2; exit 1; }

"$@" --port "$port"

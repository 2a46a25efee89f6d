#!/bin/bash
# shortage.sh PROGRAM ARG... -- an echo server that runs out of fds goes on when it has some again.
set -u
folder=$(mktemp -d) || exit 1
running=""
trap '[ -z "$running" ] || kill -KILL $running 2>/dev/null; rm -rf "$folder"' EXIT
limit=24

complain() {
    echo "shortage.sh: $1" >&2
    cat "$folder/out" >&2
    exit 1
}

(
    ulimit -n $limit
    exec "$@" >"$folder/out" 2>&1
) &
running=$!
port=""
while [ -z "$port" ]; do
    port=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' "$folder/out" 2>/dev/null)
    kill -0 "$running" 2>/dev/null || complain "it has ended at once"
    sleep 0.02
done

# ask -- a connection of its own, and its echo.
ask() {
    local socket answer=""
    exec {socket}<>"/dev/tcp/127.0.0.1/$port" || complain "nobody listens any more"
    echo "$1" >&"$socket"
    read -t 5 -r answer <&"$socket"
    exec {socket}>&-
    [ "$answer" = "$1" ] || complain "'$answer' came back for '$1'"
}

ask before
sockets=()
for ((i = 0; i < limit; i++)); do
    exec {socket}<>"/dev/tcp/127.0.0.1/$port" || complain "nobody listens any more"
    sockets+=("$socket")
done
sleep 0.1 # it accepts what it can
[ -e "/proc/$running/fd/$((limit - 1))" ] || complain "it has ended, or has fds left"
for socket in "${sockets[@]}"; do exec {socket}>&-; done
ask after
echo "it goes on"

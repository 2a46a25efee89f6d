# try.sh -- for check.sh and load.sh: where the scripts are, a folder to write into, servers that
# are started and stopped.
scripts=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d) || exit 1
running=""
trap '[ -z "$running" ] || kill -KILL $running 2>/dev/null; rm -rf "$folder"' EXIT

complain() {
    echo "$(basename "$0"): $1" >&2
    tail -n 50 "$folder"/out* "$folder"/err* >&2 2>/dev/null
    exit 1
}

# start NAME COMMAND... -- in the background; sets `started`, and `port` to what it says it has.
start() {
    local name=$1
    shift
    : >"$folder/out.$name"
    "$@" >"$folder/out.$name" 2>"$folder/err.$name" &
    started=$!
    running="$running $started"
    port=""
    while [ -z "$port" ]; do
        port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$folder/out.$name")
        kill -0 "$started" 2>/dev/null || complain "$name has ended at once"
        sleep 0.02
    done
}

# stop PID NAME -- by SIGINT, in order.
stop() {
    kill -INT "$1"
    wait "$1"
    local status=$?
    running=$(echo "$running " | sed "s/ $1 / /")
    [ $status -eq 0 ] || complain "$2 on SIGINT: exit $status instead of 0"
}

#!/bin/bash
# check.sh PROGRAM... -- tries the VM, which is the words PROGRAM: its programs, on one capability
# and on two, shaken and not; exits with 0 if all is as it should be.
set -u
program=("$@")
programs=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d) || exit 1
running=""
trap '[ -z "$running" ] || kill -KILL $running 2>/dev/null; rm -rf "$folder"' EXIT

complain() {
    echo "check.sh: $1" >&2
    cat "$folder"/out "$folder"/err >&2 2>/dev/null
    exit 1
}

# ---- values, frames and lists of tasks; what is wrong with these they write to stderr

for count in 1 2; do
    for rounds in "10000" "-s 3"; do
        shake=${rounds%%[0-9]*}
        "${program[@]}" -c $count $shake "$programs/check.vm" "${rounds#-s }" \
            >"$folder/out" 2>"$folder/err" || complain "check.vm -c $count $rounds"
        [ "$(cat "$folder/out" "$folder/err")" = "all as it should be" ] ||
            complain "check.vm -c $count $rounds"
    done
done

# ---- sleep sort

"${program[@]}" -c 1 "$programs/sleepsort.vm" 300 100 200 >"$folder/out" 2>"$folder/err"
[ "$(tr '\n' ' ' <"$folder/out")" = "100 200 300 " ] || complain "sleepsort"

# ---- the echo server, and clients that are none of ours

"${program[@]}" -c 2 -s "$programs/echo.vm" 0 >"$folder/out" 2>"$folder/err" &
running=$!
port=""
while [ -z "$port" ]; do
    port=$(sed -n 's/listening on port //p' "$folder/out")
    kill -0 "$running" 2>/dev/null || complain "the echo server has ended at once"
    sleep 0.02
done
for client in 1 2 3; do
    exec {socket}<>"/dev/tcp/127.0.0.1/$port" || complain "nobody listens on port $port"
    for line in one two three; do
        echo "$client $line" >&"$socket"
        read -r answer <&"$socket"
        [ "$answer" = "$client $line" ] || complain "'$answer' came back for '$client $line'"
    done
    exec {socket}>&-
done
# More than a socket takes at once, both ways.
python3 - "$port" <<'PYTHON' || complain "a long text came back as another"
import socket, sys, threading

def talk(number, wrong):
    sent = f"{number}: a long text ".encode() * 20000
    client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    threading.Thread(target=client.sendall, args=(sent,)).start()
    got = bytearray()
    while len(got) < len(sent):
        piece = client.recv(65536)
        if not piece:
            break
        got += piece
    wrong += [number] * (got != sent)

wrong = []
clients = [threading.Thread(target=talk, args=(number, wrong)) for number in range(8)]
for client in clients:
    client.start()
for client in clients:
    client.join()
sys.exit(1 if wrong else 0)
PYTHON
kill "$running"
wait "$running" 2>/dev/null
running=""

# ---- faults of programs

# fault STATUS TEXT PROGRAM -- exits so, and says that.
fault() {
    printf '%b' "$3" >"$folder/fault.vm"
    "${program[@]}" -m 4 "$folder/fault.vm" >"$folder/out" 2>"$folder/err"
    local status=$?
    [ $status -eq "$1" ] || complain "exit $status instead of $1: $3"
    [ -z "$2" ] || grep -q -- "$2" "$folder/err" || complain "did not say '$2'"
}
fault 2 "fault.vm:2: there is no x" 'fn main\nx\nend\n'
fault 2 "fault.vm:2: there is no nobody" 'fn main\nwrite 1 nobody\nend\n'
fault 2 "fault.vm:3: there is no late" 'fn main\n# later\nlate\nend\nfn late\nend\n'
fault 2 "fault.vm:4: this is not the end of main" 'fn main\nif 1\nend\n'
fault 2 "fault.vm:3: an end is missing" 'fn main\nwrite 1 "two"\nelse\n'
fault 2 "fault.vm:3: there is no end" 'fn main\nadd 1\nend\n'
fault 2 "fault.vm:1: a verb is not a name: port" 'fn main port\nend\n'
fault 2 "fault.vm:2: a verb is not a name: add" 'fn main\nset add 1\nend\n'
fault 2 "fault.vm:2: a quote is missing" 'fn main\nwrite 1 "a\nend\n'
fault 2 "outside of all functions: write" 'write 1 "a"\n'
fault 2 "main has parameters" 'fn main a\nend\n'
fault 2 "there is no main" 'fn other\nend\n'
fault 1 "line 3, in main: add: an operand of the wrong kind" 'fn main\nset x "a"\nadd 1 x\nend\n'
inner='fn inner\nfirst 0\nend\n'
inner_fault="line 2, in inner: first: an operand of the wrong kind"
fault 1 "$inner_fault" "${inner}fn main\ninner\nend\n"
fault 0 "$inner_fault" "${inner}fn main\nspawn inner\nend\n"
fault 7 "" 'fn main\nreturn 7\nend\n'
grow='fn main\nset x "text"\nwhile 1\nset x'
fault 1 "join: out of memory" "$grow join x x\nend\nend\n"
fault 1 "pair: out of memory" "$grow pair x x\nend\nend\n"
fault 1 "line 2, in main: (call): out of memory" 'fn main\nmain\nend\n'

# ---- numbers that are none of what is asked for

cat >"$folder/odd.vm" <<'VM'
fn expect what result
    if result
        write 2 join what " with an odd number\n"
    end
end
fn nap long
    sleep long
    write 2 "slept\n"
end
fn main
    expect "read" read 4294967296
    expect "written" write 4294967298 "oops\n"
    expect "closed" close 4294967296
    expect "listening" listen 65536
    expect "listening" listen -1
    expect "accepted" accept -1
    spawn nap 9223372036854776
    spawn nap 4000000000000000000
    nap -4000000000000000000
    write 1 "tried"
end
VM
"${program[@]}" "$folder/odd.vm" <<<"some input" >"$folder/out" 2>"$folder/err" &
running=$!
for _ in {1..200}; do
    grep -q tried "$folder/out" && break
    sleep 0.02
done
sleep 0.05 # more than one nap is over?
kill "$running"
wait "$running" 2>/dev/null
running=""
grep -q tried "$folder/out" && [ "$(cat "$folder/err")" = slept ] ||
    complain "odd numbers were taken for others"
echo "all as it should be"

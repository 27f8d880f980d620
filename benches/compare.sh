#!/usr/bin/env bash
# What edgesync costs, against doing without it. Prints a table; exits 1 if a bound is broken.
#
#   benches/compare.sh
#
#   BENCH_LINES=1000000   lines of input
#   BENCH_BYTES=190       bytes a line, without its line feed
#   BENCH_RUNS=5          runs of each side, taking turns; medians count
#   BENCH_SHORT_RUNS=40   runs of each side where one line is appended
#   BENCH_BACKLOG=1       GiB of backlog for that
#   TMPDIR=/tmp           where the scratch data goes (about 4 GiB; a real disk, not tmpfs, or syncs cost nothing)
#
# The bounds hold for the defaults on an otherwise idle machine. What each row compares:
#
#   append     cat lines | edgesync append            with  cat lines | cat > file && sync -d file
#   replay     edgesync replay to examples/receiver   with  the same bodies, 500 lines each, written over one bare TCP
#              connection and read to the end. The receiver checks numbers and counts; it keeps nothing in the timed runs.
#              Below it, without a bound: with 4000 entries a batch, and with the time that moving the cursor so often (for
#              each batch one page written over and one fdatasync) takes by itself.
#   one line   one line appended to a journal with a backlog  with  one line appended to an empty one
#   memory     the most that a process held (VmHWM)
#   disk       bytes of all segments, per byte of payload
#   order      everything that was put in comes out once, in order, byte for byte
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

count=${BENCH_LINES:-1000000}
bytes=${BENCH_BYTES:-190}
runs=${BENCH_RUNS:-5}
short_runs=${BENCH_SHORT_RUNS:-40}
backlog_gib=${BENCH_BACKLOG:-1}

cargo build --quiet --locked --release --bin edgesync --example receiver --example bench_tools
built=${CARGO_TARGET_DIR:-target}/release
[[ $built == /* ]] || built=$PWD/$built
edgesync=$built/edgesync
receiver=$built/examples/receiver
tools=$built/examples/bench_tools

scratch=$(mktemp -d)
peer=
clean_up() {
    [[ -z $peer ]] || kill "$peer" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

note() { printf '%s\n' "$*" >&2; }
fail() { printf 'compare.sh: %s\n' "$*" >&2; exit 1; }

lines=$scratch/lines
"$tools" lines "$count" "$bytes" > "$lines"
payload_bytes=$((count * bytes))
[[ $(stat -c %s "$lines") -eq $((payload_bytes + count)) ]] || fail "the lines have not $bytes bytes each"
printf '{"at":1,"note":"one line"}\n' > "$scratch/one-line"

# --- measuring ---------------------------------------------------------------------------------------------------------

# Runs a command and leaves its time, in microseconds, in $elapsed.
timed() {
    local start=$EPOCHREALTIME end
    "$@"
    end=$EPOCHREALTIME
    elapsed=$((${end/./} - ${start/./}))
}

median() { sort -n | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'; }

# Starts a peer that prints its address first, and waits for that.
start_peer() {
    : > "$scratch/address"
    "$@" > "$scratch/address" 2> "$scratch/peer-says" &
    peer=$!
    until [[ -s $scratch/address ]]; do
        kill -0 "$peer" 2>/dev/null || fail "the peer did not start: $(< "$scratch/peer-says")"
        sleep 0.01
    done
    address=$(head -n 1 "$scratch/address")
}

end_peer() {
    wait "$peer" || fail "the peer failed: $(< "$scratch/peer-says")"
    peer=
}

# --- what is compared --------------------------------------------------------------------------------------------------

plain_write() { cat "$lines" | cat > "$scratch/plain" && sync -d "$scratch/plain"; }
append_all() { cat "$lines" | "$edgesync" append -j "$scratch/journal" --max-bytes 64GiB; }
append_one() { "$edgesync" append -j "$1" < "$scratch/one-line"; }
replay_all() { "$edgesync" replay -j "$scratch/journal" --to "$address" "$@"; }
sync_alone() { "$tools" sync-pages "$scratch/pages" $(((count + 499) / 500)); }
send_bare() { "$tools" tcp-send "$address" "$lines"; }

# Nothing of the last run is left, on disk or on its way there.
fresh() {
    rm -rf "$scratch/journal" "$scratch/plain"
    sync
}

check_receiver() {
    grep -q " $count entries taken, 0 repeated, 0 dropped on the record, 0 lost" "$scratch/peer-says" ||
        fail "the receiver saw something else: $(< "$scratch/peer-says")"
}

compare_append() {
    for ((run = 1; run <= runs; run++)); do
        note "append, run $run of $runs"
        fresh; timed plain_write; echo "$elapsed" >> "$scratch/append.base"
        fresh; timed append_all; echo "$elapsed" >> "$scratch/append.ours"
    done
}

compare_replay() {
    for ((run = 1; run <= runs; run++)); do
        note "replay, run $run of $runs"
        fresh; start_peer "$tools" tcp-receive
        timed send_bare; echo "$elapsed" >> "$scratch/replay.base"
        end_peer
        timed sync_alone; echo "$elapsed" >> "$scratch/replay.syncs"
        replay_timed ours
        fresh; replay_timed large --batch-size 4000
    done
}

# Fills the journal and empties it; the time of that goes to replay.NAME.
replay_timed() {
    local name=$1; shift
    append_all; sync; start_peer "$receiver" 127.0.0.1:0 --count-only --entries "$count" --idle 60
    timed replay_all "$@"; echo "$elapsed" >> "$scratch/replay.$name"
    end_peer; check_receiver
}

compare_one_line() {
    note "one line: building a backlog of $backlog_gib GiB"
    fresh
    "$edgesync" init -j "$scratch/empty" > "$scratch/init"
    "$edgesync" init -j "$scratch/backlog" --max-bytes 64GiB > "$scratch/init"
    until (($(du -sm "$scratch/backlog" | cut -f 1) >= backlog_gib * 1024)); do
        "$edgesync" append -j "$scratch/backlog" < "$lines"
    done
    sync
    # The first append to each is not of interest: it may have to look at the end of what another process left.
    append_one "$scratch/empty"; append_one "$scratch/backlog"
    for ((run = 1; run <= short_runs; run++)); do
        timed append_one "$scratch/empty"; echo "$elapsed" >> "$scratch/one.base"
        timed append_one "$scratch/backlog"; echo "$elapsed" >> "$scratch/one.ours"
    done
    # These end so soon that the look at their memory may come too late.
    for ((try = 1; try <= 50; try++)); do
        "$tools" peak "$scratch/one.peak" "$edgesync" append -j "$scratch/backlog" < "$scratch/one-line"
        (($(< "$scratch/one.peak") > 0)) && break
    done
    for ((try = 1; try <= 50; try++)); do
        "$tools" peak "$scratch/stats.peak" "$edgesync" stats -j "$scratch/backlog" > "$scratch/stats"
        (($(< "$scratch/stats.peak") > 0)) && break
    done
    rm -rf "$scratch/empty" "$scratch/backlog"
}

# One run of everything that is not timed: memory, disk, order.
check_bytes() {
    note "memory, disk, order"
    fresh
    cat "$lines" | "$tools" peak "$scratch/append.peak" "$edgesync" append -j "$scratch/journal" --max-bytes 64GiB
    disk_bytes=$(cat "$scratch/journal/"0*.jsonl | wc -c)
    "$edgesync" cat -j "$scratch/journal" | cmp - "$lines" || fail "cat prints what was not put in"
    start_peer "$receiver" 127.0.0.1:0 --output "$scratch/received" --entries "$count" --idle 60
    "$tools" peak "$scratch/replay.peak" "$edgesync" replay -j "$scratch/journal" --to "$address"
    end_peer; check_receiver
    awk -F '\t' '$1 != NR { exit 1 }' "$scratch/received" || fail "an entry arrived out of order"
    cut -f 2- "$scratch/received" | cmp - "$lines" || fail "what arrived is not what was put in"
}

# --- the table ---------------------------------------------------------------------------------------------------------

broken=0
# name, what the base is and its value, ours, ratio, "<=" or ">=", bound
row() {
    local verdict=ok
    awk -v ratio="$4" -v bound="$6" -v how="$5" 'BEGIN { exit !(how == "<=" ? ratio <= bound : ratio >= bound) }' ||
        { verdict=BROKEN; broken=1; }
    printf '%-10s %22s %22s %8.2f   %s %-6s %s\n' "$1" "$2" "$3" "$4" "$5" "$6" "$verdict"
}

# The same without a bound.
also() { printf '%-10s %22s %22s %8.2f   %s\n' "$1" "$2" "$3" "$4" "$5"; }

seconds() { awk -v value="$1" 'BEGIN { printf "%.3f s", value / 1e6 }'; }
milliseconds() { awk -v value="$1" 'BEGIN { printf "%.2f ms", value / 1e3 }'; }
rate() { awk -v value="$1" -v count="$count" 'BEGIN { printf "%.0f entries/s", count * 1e6 / value }'; }
divide() { awk -v a="$1" -v b="$2" 'BEGIN { print a / b }'; }

compare_append
compare_replay
compare_one_line
check_bytes

printf '\n%d lines of %d bytes, medians of %d runs (one line: %d)\n' "$count" "$bytes" "$runs" "$short_runs"
printf '%-10s %22s %22s %8s   %-9s\n' what without with ratio bound
base=$(median < "$scratch/append.base"); ours=$(median < "$scratch/append.ours")
row append "$(seconds "$base")" "$(seconds "$ours")" "$(divide "$ours" "$base")" '<=' 2.2
base=$(median < "$scratch/replay.base"); ours=$(median < "$scratch/replay.ours")
row replay "$(rate "$base")" "$(rate "$ours")" "$(divide "$base" "$ours")" '>=' 0.3
large=$(median < "$scratch/replay.large"); syncs=$(median < "$scratch/replay.syncs")
also '' "$(rate "$base")" "$(rate "$large")" "$(divide "$base" "$large")" '(4000 entries a batch)'
also '' "$(rate "$base")" "$(rate "$syncs")" "$(divide "$base" "$syncs")" '(the syncs of 500 a batch alone)'
base=$(median < "$scratch/one.base"); ours=$(median < "$scratch/one.ours")
row 'one line' "$(milliseconds "$base")" "$(milliseconds "$ours")" "$(divide "$ours" "$base")" '<=' 1.2
for what in append replay one stats; do
    peak=$(< "$scratch/$what.peak")
    ((peak > 0)) || fail "the memory of $what was not seen"
    row "memory" "$what" "$peak KiB" "$(divide "$peak" 1024)" '<=' 16
done
# The documented record adds 69 bytes and the digits of its seq to a payload of whatever size: with 190 bytes a line this
# bound cannot hold, from 218 on it does.
row disk "$payload_bytes bytes" "$disk_bytes bytes" "$(divide "$disk_bytes" "$payload_bytes")" '<=' 1.35
printf '%-10s all %d entries arrived once, in order, byte for byte\n' order "$count"
exit "$broken"

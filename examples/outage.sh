#!/bin/sh
# An outage and its end, with real readings of this machine: nothing is lost, nothing comes twice, nothing is out of
# order. Needs Rust and Linux; leaves nothing behind but the build.
#
#   sh examples/outage.sh
#
# With OUTAGE_BIN=DIR it builds nothing and takes the two programs from there.
set -eu
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; }
fail() { printf 'NOT AS PROMISED: %s\n' "$*" >&2; exit 1; }

bin=${OUTAGE_BIN:-}
if [ -z "$bin" ]; then
    say "Building edgesync and a small receiver (the first time takes a minute or two)"
    cargo build --quiet --locked --release --bin edgesync --example receiver
    bin=${CARGO_TARGET_DIR:-target}/release
fi
edgesync=$bin/edgesync
receiver=$bin/examples/receiver

work=$(mktemp -d)
receiver_pid=
clean_up() {
    [ -z "$receiver_pid" ] || kill "$receiver_pid" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export EDGESYNC_JOURNAL="$work/journal"

# One JSON line for each thing that can be measured here.
readings() {
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    read -r one five fifteen tasks _ < /proc/loadavg
    printf '{"at":"%s","sensor":"load","1m":%s,"5m":%s,"15m":%s,"tasks":"%s"}\n' "$now" "$one" "$five" "$fifteen" "$tasks"
    awk -v now="$now" '/^MemTotal/ { total = $2 } /^MemAvailable/ { available = $2 }
        END { printf "{\"at\":\"%s\",\"sensor\":\"memory\",\"total_kib\":%d,\"available_kib\":%d}\n", now, total, available }' \
        /proc/meminfo
    df -kP / | awk -v now="$now" 'NR == 2 {
        printf "{\"at\":\"%s\",\"sensor\":\"disk\",\"used_kib\":%s,\"free_kib\":%s}\n", now, $3, $4 }'
    awk -v now="$now" 'NR > 2 { sub(":", " "); received += $2; sent += $10 }
        END { printf "{\"at\":\"%s\",\"sensor\":\"network\",\"received\":%.0f,\"sent\":%.0f}\n", now, received, sent }' \
        /proc/net/dev
    read -r uptime _ < /proc/uptime
    printf '{"at":"%s","sensor":"uptime","seconds":%s}\n' "$now" "$uptime"
    for zone in /sys/class/thermal/thermal_zone*/temp; do
        if read -r temperature < "$zone"; then
            printf '{"at":"%s","sensor":"temperature","millidegrees":%s}\n' "$now" "$temperature"
            break
        fi 2>/dev/null
    done
}

# A port that is free now, so that the address is the same before and after.
url=$("$receiver" 127.0.0.1:0 --idle 0 2>/dev/null)
address=${url#http://}
address=${address%/}

say "The link is down: nothing listens at $url. The sensors go on all the same."
run "sensors | edgesync append"
for _ in 1 2 3 4; do
    readings
    sleep 0.3
done | tee "$work/sensors.jsonl" | "$edgesync" append
count=$(wc -l < "$work/sensors.jsonl")
count=$((count))
head -n 2 "$work/sensors.jsonl"
printf '... %d readings, all on disk.\n' "$count"

say "cron tries to deliver them"
run "edgesync replay --to $url"
code=0
"$edgesync" replay --to "$url" --retries 1 --backoff 100ms || code=$?
printf 'exit code %d: nothing delivered, all of it still waits, try again later\n' "$code"
[ "$code" -eq 4 ] || fail "replay without a receiver exits 4"

run "edgesync stats"
"$edgesync" stats

say "The link is back: a receiver listens"
"$receiver" "$address" --output "$work/received" --entries "$count" --idle 20 > "$work/address" &
receiver_pid=$!
tries=0
until [ -s "$work/address" ]; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || fail "the receiver listens within 10 seconds"
    sleep 0.1
done

run "edgesync replay --to $url"
code=0
"$edgesync" replay --to "$url" || code=$?
printf 'exit code %d: everything delivered\n' "$code"
[ "$code" -eq 0 ] || fail "replay with a receiver exits 0"
wait "$receiver_pid" || fail "the receiver got all $count readings"
receiver_pid=

run "edgesync stats"
"$edgesync" stats

say "What the receiver has, against what the sensors said"
head -n 2 "$work/received"
echo ...
awk -F '\t' '$1 != NR { exit 1 }' "$work/received" || fail "the sequence numbers are 1, 2, 3 ... without a gap"
cut -f 2- "$work/received" | cmp - "$work/sensors.jsonl" || fail "every reading arrived once, in order, byte for byte"
printf 'All %d readings arrived, each once, in order, byte for byte.\n' "$count"

run "edgesync replay --to $url"
"$edgesync" replay --to "$url" || fail "with nothing left to deliver, replay exits 0"
echo 'exit code 0: nothing was pending, so the network was not touched'

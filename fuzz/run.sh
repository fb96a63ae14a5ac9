#!/bin/sh
# Fuzzes every target for SECONDS each (60 by default), one on each processor, from the recorded corpus. Fails on a crash, and prints how to
# see it again. Works on stable Rust without RUSTC_BOOTSTRAP: coverage needs no unstable flag. A sanitizer would, and
# would find nothing, since our code forbids `unsafe`; overflows and broken assertions are found all the same.
#
#     fuzz/run.sh [SECONDS] [TARGET...]
#
# With RUNS=N in the environment a target ends sooner after N executions. With TRACE=no comparisons are not traced: magic numbers that
# no seed has are found more slowly, but a second holds two to four times as many executions.
# Needs a C++ compiler for libFuzzer. The corpus is copied first: the checked-in one does not grow.
set -eu

seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- netlink ebpf btf procfs netstat filter monero ems jetstream jetstream_control one_e resume cursor wire assembly levin decoders capture rtmp amf rtsp rtp ts flv sps srt sql transfer history_block history_sums
here=$(cd "$(dirname "$0")" && pwd)
corpus=$here/../corpus
build=${CARGO_TARGET_DIR:-$here/target}
version=0.13.2

if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --version "$version" --locked
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# lines FILE FOLDER: writes each line of FILE, without its end, into a file of FOLDER.
lines() {
    name=$(basename "$1" .txt)
    number=0
    while IFS= read -r line; do
        number=$((number + 1))
        printf '%s' "$line" >"$2/$name-$number"
    done <"$1"
}

# seeds TARGET: prints the folder of its starting inputs.
seeds() {
    folder=$scratch/$1
    mkdir -p "$folder"
    case $1 in
    netlink) find "$corpus/sockdiag" "$corpus/netlink" -name '*.bin' ;;
    ebpf) find "$corpus/ebpf" -type f ;;
    btf) find "$corpus/btf" -type f ;;
    procfs) find "$corpus/procfs" -type f ;;
    netstat) find "$corpus/netstat" -type f ;;
    monero | ems | jetstream | jetstream_control | one_e) find "$corpus/$1" -type f ;;
    # Any bytes are segments.
    assembly | levin) find "$corpus/levin/seeds" -type f ;;
    decoders) python3 "$here/record/seeds.py" "$folder" ;;
    rtsp | rtp | ts | flv | sps | srt) python3 "$here/record/media.py" "$1" "$folder" ;;
    capture) find "$corpus/capture/seeds" -type f ;;
    rtmp | amf) python3 "$here/record/media_seeds.py" "$1" "$folder" ;;
    transfer) python3 "$here/record/transfer.py" "$folder" ;;
    resume) lines "$corpus/resume/ids.txt" "$folder" ;;
    cursor) lines "$corpus/cursor/cursors.txt" "$folder" ;;
    history_block) find "$corpus/history" -type f ;;
    history_sums) python3 "$here/record/sums.py" "$folder" ;;
    sql) lines "$corpus/sql/queries.txt" "$folder" ;;
    wire) find "$corpus/wire" -name '*.bin' | while read -r file; do
            echo "$file"
            # Beginnings of an answer, so that each list is the last one in some seed.
            for bytes in 64 256 1024 2048; do
                head -c "$bytes" "$file" >"$folder/$(basename "$file")-$bytes"
            done
        done ;;
    filter)
        lines "$corpus/filter/accepted.txt" "$folder"
        lines "$corpus/filter/refused.txt" "$folder"
        ;;
    esac >"$scratch/$1.list"
    # What has broken once is tried each time.
    [ ! -d "$corpus/found/$1" ] || find "$corpus/found/$1" -type f >>"$scratch/$1.list"
    while read -r file; do
        cp "$file" "$folder/$(echo "${file#"$corpus"/}" | tr / -)"
    done <"$scratch/$1.list"
    # Without seeds a minute of fuzzing finds nothing, and would pass.
    [ "$(find "$folder" -type f | wc -l)" -ge 10 ] || { echo "fuzz/run.sh: no corpus for $1" >&2; exit 1; }
}

cd "$here"
trace=
[ "${TRACE:-yes}" = yes ] || trace=--no-trace-compares
cargo fuzz build --fuzz-dir . --target-dir "$build" --sanitizer none $trace
# Run as they were built here: `cargo fuzz run` would build anew what is edited meanwhile.
programs=$build/$(rustc -vV | sed -n 's/^host: //p')/release

# fuzz TARGET: runs it, and prints its figures, or how it failed.
fuzz() {
    # The second folder is read only, so that what has crashed once is tried first.
    mkdir -p "artifacts/$1"
    # A whole update, connection or capture file is longer than an input of the others.
    # The steps of an assembly end sooner.
    case $1 in
    assembly) max_len=1537 ;;
    wire | levin | capture | rtsp | ts | flv) max_len=16384 ;;
    *) max_len=4096 ;;
    esac
    log=$scratch/$1.log
    started=$(date +%s)
    if "$programs/$1" "$scratch/$1" "artifacts/$1" -artifact_prefix="artifacts/$1/" -runs="${RUNS:--1}" \
        -max_total_time="$seconds" -max_len="$max_len" -timeout=120 -rss_limit_mb=1024 -print_final_stats=1 \
        >"$log" 2>&1; then
        took=$(($(date +%s) - started))
        stat() { sed -n "s/^stat::$1: *//p" "$log"; }
        echo "$1: $(stat number_of_executed_units) executions in $took s, $(stat peak_rss_mb) MB at most, no finding"
        return
    fi
    echo "$1" >>"$scratch/failed"
    echo "$1: FAILED"
    grep -aE 'ERROR|Test unit written' "$log" || true
    # The message is on the lines behind; both sides of an assertion may be long.
    grep -a -A 3 'panicked at' "$log" | cut -c 1-1000 || true
    tail -n 40 "$log"
}

# One after the other on each processor.
jobs=$(nproc)
for target in "$@"; do seeds "$target"; done
for job in $(seq "$jobs"); do
    (
        number=0
        for target in "$@"; do
            number=$((number + 1))
            [ $((number % jobs + 1)) -ne "$job" ] || fuzz "$target"
        done
    ) &
done
wait
[ ! -s "$scratch/failed" ] || {
    echo "fuzz/run.sh: crashed: $(tr '\n' ' ' <"$scratch/failed"); see fuzz/artifacts" >&2
    exit 1
}

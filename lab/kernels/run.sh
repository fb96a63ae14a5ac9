#!/bin/sh
# Boots Debian's kernels in qemu, each with the release binary and some tests of the lab, and writes the table of docs/ebpf.md.
#
#   sh lab/kernels/run.sh                  all kernels, then the table
#   sh lab/kernels/run.sh 5.10 6.1         only these series; the table is not written
#
# It needs Debian, python3, the packages below, and 1 GB below target/kernels, and no root if they are installed. Nothing of
# the machine's own apt configuration or package lists is changed. The kernels run in software unless ACCEL=kvm is given.
set -eu
cd "$(dirname "$0")/../.."
HERE=lab/kernels
WORK=${WORK:-target/kernels}
ACCEL=${ACCEL:-tcg}
# Seconds until a kernel that has not powered off counts as failed.
TIMEOUT=${TIMEOUT:-1800}
# Series, and the suite whose newest package of it is taken.
KERNELS="5.10:bullseye 6.1:bookworm 6.12:trixie 6.18:trixie-backports 7.3:trixie-backports"
# Modules in the order in which they depend on each other. One that is absent may be built in, and is reported.
MODULES="inet_diag tcp_diag udp_diag mptcp_diag raw_diag tcp_bbr tun"
PROGRAMS="ip ss bpftool"

sh packaging/need-packages.sh qemu-system-x86 busybox-static cpio xz-utils zstd iproute2 bpftool binutils
mkdir -p "$WORK"
WORK=$(cd "$WORK" && pwd)

CONNS=${CONNS:-}
if [ -z "$CONNS" ]; then
    cargo build --release --locked -p conns
    CONNS=${CARGO_TARGET_DIR:-target}/release/conns
fi

# --- package lists of these suites, apart from the machine's own ---

sites() {
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u
}
MAIN=$(sites | grep -v security | head -n 1)
[ -n "$MAIN" ] || { echo "apt has no Debian archive configured" >&2; exit 1; }
SECURITY=$(sites | grep security | head -n 1)
mkdir -p "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial" "$WORK/debs"
: > "$WORK/apt/sources.list"
KEYS=$(ls /usr/share/keyrings/debian-archive-keyring.* | head -n 1)
for suite in $(printf '%s\n' $KERNELS | cut -d: -f2 | sort -u); do
    echo "deb [signed-by=$KEYS] $MAIN $suite main" >> "$WORK/apt/sources.list"
    case $suite in *-backports) continue ;; esac
    [ -z "$SECURITY" ] || echo "deb [signed-by=$KEYS] $SECURITY $suite-security main" >> "$WORK/apt/sources.list"
done
private() {
    tool=$1
    shift
    "$tool" -o "Dir::Etc::sourcelist=$WORK/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::State::lists=$WORK/apt/lists" -o "Dir::Cache=$WORK/apt/cache" -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User= "$@"
}
[ -n "${OFFLINE:-}" ] || private apt-get -q update

# --- the initramfs that all kernels share ---

BASE=$WORK/base
rm -rf "$BASE"
mkdir -p "$BASE/bin" "$BASE/etc" "$BASE/proc" "$BASE/sys" "$BASE/dev" "$BASE/run" "$BASE/tmp" "$BASE/tests"
# A program and its shared libraries, in their own places.
add() {
    install -D -m 755 "$1" "$BASE/$2"
    strip --strip-unneeded "$BASE/$2" 2>/dev/null || true
    for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ )]*'); do
        [ -e "$BASE$library" ] || install -D -m 755 "$library" "$BASE$library"
    done
}
add "$(command -v busybox)" bin/busybox
for program in $PROGRAMS; do
    add "$(PATH=$PATH:/usr/sbin:/sbin command -v "$program")" "bin/$program"
done
add "$CONNS" bin/conns
printf 'root:x:0:0::/:/bin/sh\n' > "$BASE/etc/passwd"
printf 'root:x:0:\n' > "$BASE/etc/group"
install -m 755 "$HERE/init" "$BASE/init"
cargo test --locked -p conns-lab --no-run --test kernels --test truth --test events --test serve --test ebpf 2> "$WORK/build.log" ||
    { cat "$WORK/build.log" >&2; exit 1; }
sed -n 's/^ *Executable tests\/\([a-z]*\)\.rs (\(.*\))$/\1 \2/p' "$WORK/build.log" > "$WORK/tests.list"
while read -r name program; do
    add "$program" "tests/$name"
    # The tests start conns-lab at the path at which cargo built it.
    built=$(cd "$(dirname "$program")/.." && pwd)
done < "$WORK/tests.list"
[ -e "$BASE/tests/kernels" ] || { echo "cargo reported no test programs:" >&2; cat "$WORK/build.log" >&2; exit 1; }
add "$built/conns-lab" bin/conns-lab
echo "$built" > "$BASE/tests/built"
cp "$HERE/tests.txt" "$BASE/tests/list"
(cd "$BASE" && find . | cpio --quiet -o -H newc | gzip -1) > "$WORK/base.cpio.gz"

# --- one kernel after the other ---

unpack() { # series suite: prints the folder
    names=$(private apt-cache search --names-only "^linux-image-$1[.][0-9.]*[^ ]*-cloud-amd64\$" | cut -d' ' -f1)
    newest=$(for name in $names; do
        private apt-cache madison "$name" | awk -F'|' -v suite=" $2(-security)?/main " '$3 ~ suite {gsub(/ /, "", $1); gsub(/ /, "", $2); print $2, $1}'
    done | sort -V | tail -n 1)
    [ -n "$newest" ] || { echo "no package of Linux $1 in $2" >&2; return 1; }
    version=${newest%% *} package=${newest#* }
    folder=$WORK/$1/$version
    if [ ! -d "$folder" ]; then
        rm -rf "$folder.part"
        mkdir -p "$folder.part/debs"
        release=${package#linux-image-}
        # Newer kernels have the image and the modules in packages of their own.
        for one in "$package" "linux-binary-$release" "linux-modules-$release"; do
            private apt-cache show "$one" > "$WORK/apt/shown" 2>&1 || continue
            (cd "$folder.part/debs" && private apt-get -q download "$one=$version") >&2
        done
        for deb in "$folder.part"/debs/*.deb; do
            dpkg-deb -x "$deb" "$folder.part"
        done
        rm -rf "$folder.part/debs"
        mv "$folder.part" "$folder"
    fi
    echo "$folder"
}

boot() { # series folder
    result=$WORK/$1/result.log
    rm -rf "$WORK/$1/extra" "$result"
    mkdir -p "$WORK/$1/extra/modules"
    for module in $MODULES; do
        file=$(find "$2" -name "$module.ko*" | head -n 1)
        case $file in
            '') ;;
            *.xz) xz -dc "$file" > "$WORK/$1/extra/modules/$module.ko" ;;
            *.zst) zstd -qdc "$file" > "$WORK/$1/extra/modules/$module.ko" ;;
            *) cp "$file" "$WORK/$1/extra/modules/$module.ko" ;;
        esac
    done
    echo "$MODULES" > "$WORK/$1/extra/modules/list"
    (cd "$WORK/$1/extra" && find . | cpio --quiet -o -H newc | gzip -1) > "$WORK/$1/extra.cpio.gz"
    cat "$WORK/base.cpio.gz" "$WORK/$1/extra.cpio.gz" > "$WORK/$1/initramfs"
    image=$(find "$2" -name 'vmlinuz*' -type f | head -n 1)
    cpu=max
    [ "$ACCEL" = tcg ] || cpu=host
    # The first serial port is the kernel's, the second carries the results.
    timeout "$TIMEOUT" qemu-system-x86_64 -accel "$ACCEL" -cpu "$cpu" -smp 2 -m 2048 -no-reboot -display none -monitor none \
        -nic none -kernel "$image" -initrd "$WORK/$1/initramfs" \
        -append "console=ttyS0 quiet panic=-1 rdinit=/init" \
        -serial "file:$WORK/$1/console.log" -serial "file:$result" < /dev/null ||
        echo "qemu ended with $? for Linux $1" >&2
}

status=0
for kernel in $KERNELS; do
    series=${kernel%%:*}
    [ $# = 0 ] || case " $* " in *" $series "*) ;; *) continue ;; esac
    folder=$(unpack "$series" "${kernel#*:}") || { status=1; continue; }
    echo "Linux $series: ${folder##*/}"
    boot "$series" "$folder"
    echo "$(date -u +%F) ${folder##*/} $ACCEL" > "$WORK/$series/run"
    python3 "$HERE/report.py" check "$WORK/$series" || status=1
done
if [ $# = 0 ] && [ $status = 0 ]; then
    # shellcheck disable=SC2046  # one word a series
    python3 "$HERE/report.py" table docs/ebpf.md $(for kernel in $KERNELS; do echo "$WORK/${kernel%%:*}"; done)
fi
exit $status

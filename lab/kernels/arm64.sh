#!/bin/sh
# Builds conns for arm64 with Debian's compiler and standard library sources, and runs it, and the tests that read recorded netlink,
# /proc and BTF, under qemu-user. No arm64 kernel is booted.
set -eu
cd "$(dirname "$0")/../.."
sh packaging/need-packages.sh rustc-web cargo-web rust-web-src gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
TARGET=aarch64-unknown-linux-gnu
# The program NAME of PACKAGE. Another one of that name may come first on PATH (rustup's).
program() {
    dpkg -L "$1" | grep "/bin/$2\$" | grep -v /share/
}
cargo=$(program cargo-web cargo)
RUSTC=$(program rustc-web rustc)
export RUSTC
# -Zbuild-std is not stable.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="${ARM64_TARGET_DIR:-target/arm64}"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
unset RUSTUP_TOOLCHAIN RUSTC_WRAPPER RUSTFLAGS
arm64() {
    subcommand=$1
    shift
    "$cargo" "$subcommand" -Zbuild-std=std,panic_unwind --target $TARGET --locked "$@"
}
arm64 test -p conns-ebpf --test corpus --test kernels
arm64 test -p conns-sockdiag --test corpus
arm64 test -p conns-procfs --test corpus
arm64 build -p conns
qemu-aarch64 -L /usr/aarch64-linux-gnu "$CARGO_TARGET_DIR/$TARGET/debug/conns" --version
qemu-aarch64 -L /usr/aarch64-linux-gnu "$CARGO_TARGET_DIR/$TARGET/debug/conns" fields > /dev/null

#!/bin/sh
# Runs cargo with arguments for a target that rustup's toolchain here does not have: Debian's compiler, with the standard
# library built from Debian's sources. Its target folder is its own, so that nothing of the usual one is built anew.
#   sh lab/windows/cargo.sh TARGET SUBCOMMAND [ARGUMENT...]
set -eu
target=$1
subcommand=$2
shift 2
# The program NAME of PACKAGE. Another one of that name may come first on PATH (rustup's).
program() {
    found=$(dpkg -L "$1" 2>/dev/null | grep "/bin/$2\$" | grep -v /share/) || {
        echo "the Debian package $1 is not installed: make cross-packages" >&2
        exit 1
    }
    echo "$found"
}
cargo=$(program cargo-web cargo)
RUSTC=$(program rustc-web rustc)
sources=$("$RUSTC" --print sysroot)/lib/rustlib/src/rust/library
[ -f "$sources/Cargo.lock" ] || {
    echo "the sources of the standard library are not in $sources: make cross-packages" >&2
    exit 1
}
export RUSTC
# -Zbuild-std is not stable.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="${CROSS_TARGET_DIR:-target/cross}"
unset RUSTUP_TOOLCHAIN RUSTC_WRAPPER RUSTFLAGS
exec "$cargo" "$subcommand" -Zbuild-std=std,panic_unwind --target "$target" --locked "$@"

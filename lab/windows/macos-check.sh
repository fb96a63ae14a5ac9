#!/bin/sh
# Type-checks the program for macOS on Linux; nothing is linked or run.
#
# On a Mac, libproc makes its bindings from Apple's headers. Elsewhere it makes none; for its documentation it publishes a
# copy of them, which is used here. ring compiles C code, which needs one of Apple's headers: two of its lines are here. That of
# blake3 needs more of them, and is omitted.
set -eu
clang=$(command -v clang) || {
    echo "clang is not installed: make cross-packages" >&2
    exit 1
}
headers=$(pwd)/target/cross/macos-headers
mkdir -p "$headers"
printf '#define TARGET_OS_OSX 1\n#define TARGET_OS_IPHONE 0\n' >"$headers/TargetConditionals.h"
export CARGO_FEATURE_NO_NEON=1
export CC_aarch64_apple_darwin="$clang" SDKROOT="${SDKROOT:-/}"
export CFLAGS_aarch64_apple_darwin="-ffreestanding -nostdlibinc -DRING_CORE_NOSTDLIBINC=1 -I$headers"
exec sh "$(dirname "$0")/cargo.sh" aarch64-apple-darwin check -Zprofile-rustflags \
    --config 'profile.dev.package.libproc.rustflags=["--cfg=docsrs"]' "$@"

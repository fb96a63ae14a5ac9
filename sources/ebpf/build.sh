#!/bin/sh
# Compiles bpf/*.bpf.c into objects/, so that `cargo build` needs no clang. `build.sh DIR` compiles into DIR.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-$here/objects}
cd "$here/bpf"
for source in *.bpf.c; do
    object=$to/${source%.c}.o
    clang -target bpfel -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-const-variable \
        -Wno-sign-compare -Wno-parentheses -fdebug-compilation-dir=. -c "$source" -o "$object"
    # The kernel reads BTF, not DWARF.
    llvm-strip --strip-debug "$object"
done
# Another compiler produces other bytes; tests/objects.rs only compares objects of the same version.
clang --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p' > "$to/CLANG"

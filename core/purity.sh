#!/bin/sh
# Proves that the lints of core/clippy.toml bite: a copy of the core, and one of core/transfer, that reads the clock,
# the environment, a file, and starts a thread must be refused, once for each of them.
set -eu
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/core/transfer"
cp Cargo.lock rustfmt.toml "$copy/"
cp -r core/src core/Cargo.toml core/clippy.toml "$copy/core/"
cp -r core/transfer/src core/transfer/Cargo.toml "$copy/core/transfer/"
# The workspace without its other members, and the core without what only its tests need of them.
sed -i '/^conns-fixtures/d' "$copy/core/Cargo.toml"
sed '/^members = \[/,/^\]/c members = ["core", "core/transfer"]' Cargo.toml |
    sed '/^default-members/d; /^exclude/d; /^conns-core /b; /^conns-/d' > "$copy/Cargo.toml"

# check CRATE: whether the lints accept the copy of it.
check() {
    CARGO_TARGET_DIR=target/purity cargo clippy --quiet --manifest-path "$copy/$1/Cargo.toml" \
        --lib -- -D clippy::disallowed_methods -D clippy::disallowed_macros 2>"$copy/messages"
}

for crate in core core/transfer; do
    if ! check "$crate"; then
        cat "$copy/messages" >&2
        echo "purity: $crate itself is refused" >&2
        exit 1
    fi
done
refused=0
while IFS= read -r impure; do
    for file in core/src/human.rs core/transfer/src/queue.rs; do
        crate=${file%/src/*}
        printf '\n/// Impure.\npub fn impure() { %s }\n' "$impure" >> "$copy/$file"
        if check "$crate"; then
            echo "purity: NOT refused in $crate: $impure" >&2
            exit 1
        fi
        grep -q "use of a disallowed" "$copy/messages" || { cat "$copy/messages" >&2; exit 1; }
        cp "$file" "$copy/$file"
        refused=$((refused + 1))
    done
done <<'END'
let _ = std::time::Instant::now();
let _ = std::time::SystemTime::now();
let _ = std::env::var("HOME");
let _ = std::fs::read("/etc/hostname");
let _ = std::fs::File::open("/etc/hostname");
let _ = std::thread::spawn(|| ());
let _ = std::net::UdpSocket::bind("127.0.0.1:0");
println!();
END
echo "purity: core and core/transfer pass, and $refused impure copies were refused"

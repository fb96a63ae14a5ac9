#!/bin/sh
# Proves that the lints of core/clippy.toml bite: a copy of the core that reads the clock, the
# environment, a file, and starts a thread must be refused, once for each of them.
set -eu
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/core"
cp Cargo.lock rustfmt.toml "$copy/"
cp -r core/src core/Cargo.toml core/clippy.toml "$copy/core/"
# The workspace without its other members, and the core without what only its tests need of them.
sed -i '/^conns-fixtures/d' "$copy/core/Cargo.toml"
sed '/^members = \[/,/^\]/c members = ["core"]' Cargo.toml |
    sed '/^default-members/d; /^exclude/d; /^conns-/d' > "$copy/Cargo.toml"

check() {
    CARGO_TARGET_DIR=target/purity cargo clippy --quiet --manifest-path "$copy/core/Cargo.toml" \
        --lib -- -D clippy::disallowed_methods -D clippy::disallowed_macros 2>"$copy/messages"
}

if ! check; then
    cat "$copy/messages" >&2
    echo "purity: the core itself is refused" >&2
    exit 1
fi
refused=0
while IFS= read -r impure; do
    cp core/src/human.rs "$copy/core/src/human.rs"
    printf '\n/// Impure.\npub fn impure() { %s }\n' "$impure" >> "$copy/core/src/human.rs"
    if check; then
        echo "purity: NOT refused in the core: $impure" >&2
        exit 1
    fi
    grep -q "use of a disallowed" "$copy/messages" || { cat "$copy/messages" >&2; exit 1; }
    refused=$((refused + 1))
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
echo "purity: the core passes, and $refused impure copies were refused"

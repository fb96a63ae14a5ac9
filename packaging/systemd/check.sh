#!/bin/sh
# Verifies the systemd unit, its drop-in and the account with systemd's own tools (Debian: systemd), without
# a running systemd. Fails above the exposure levels that docs/privileges.md names.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Verifying wants the program to be there; any will do.
sed 's#/usr/local/bin/conns #/bin/true #' "$here/conns.service" > "$work/conns.service"

judge() {
    systemd-analyze verify --man=no "$work/conns.service"
    # Not piped: a pipe would hide that it failed.
    systemd-analyze security --offline=yes --threshold="$1" --no-pager "$work/conns.service" \
        > "$work/table" || { cat "$work/table"; exit 1; }
    tail -n 1 "$work/table"
}

judge 23
mkdir "$work/conns.service.d"
cp "$here/follow-namespaces.conf" "$work/conns.service.d/"
judge 26

systemd-sysusers --dry-run "$here/conns.sysusers"

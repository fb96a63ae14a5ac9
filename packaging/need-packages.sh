#!/bin/sh
# Installs those of the named Debian packages that are missing. Does nothing where all are there.
set -eu
missing=""
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "These Debian packages are missing, and installing them needs root: apt-get install$missing" >&2
    exit 1
fi
apt-get update -q
# shellcheck disable=SC2086  # one word a package
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing

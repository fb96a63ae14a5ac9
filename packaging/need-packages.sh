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
# A machine that was just set up may hold the lock of the packages for its own updates.
wait_for_lock="-o DPkg::Lock::Timeout=600"
# shellcheck disable=SC2086  # two words
apt-get $wait_for_lock update -q
# shellcheck disable=SC2086  # one word a package, two of the option
DEBIAN_FRONTEND=noninteractive apt-get $wait_for_lock install -q -y --no-install-recommends $missing

#!/bin/sh
# Installs what web/package-lock.json names below web/node_modules, once: a second run only checks. Where there is no node, or
# one that is too old for the build, Debian's is installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Of Debian 12; older ones cannot run the build.
least=18
# Written last, so that a broken install is not taken for a whole one.
installed=$here/node_modules/.installed-lock.json

version() {
    node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'
}

found=$(version)
if [ "${found:-0}" -lt "$least" ] || ! command -v npm >/dev/null; then
    if command -v apt-get >/dev/null; then
        sh "$here/../packaging/need-packages.sh" nodejs npm
    fi
    found=$(version)
fi
if [ "${found:-0}" -lt "$least" ]; then
    echo "The page is built with node $least or later and npm; here is ${found:-none}: install Debian's packages nodejs and npm" >&2
    exit 1
fi
if cmp -s "$here/package-lock.json" "$installed"; then
    exit 0
fi
echo "Installing what web/package-lock.json names below web/node_modules"
cd "$here"
npm ci --ignore-scripts --silent
cp package-lock.json "$installed"

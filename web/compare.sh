#!/bin/sh
# Builds the page again and compares it with the one that is committed: it is what its sources make, byte for byte.
set -eu
cd "$(dirname "$0")"
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
npm run --silent build -- --outDir "$again" --emptyOutDir --logLevel warn
if ! cmp -s "$again/index.html" dist/index.html; then
    echo "web/dist/index.html is not what web/src makes: run \`make web\` and commit it" >&2
    exit 1
fi
echo "web/dist/index.html is what its sources make; compressed it has $(gzip -9c dist/index.html | wc -c) bytes"

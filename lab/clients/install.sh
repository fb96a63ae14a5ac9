#!/bin/sh
# Installs the clients of requirements.txt below target/clients (or $CONNS_CLIENTS), once: a second run only checks.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wanted=$here/requirements.txt
place=${CONNS_CLIENTS:-$here/../../target/clients}
# Written last, so that a broken install is not taken for a whole one; the tests compare it too.
done=$place/installed.txt

if cmp -s "$wanted" "$done" && "$place/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
echo "Installing the clients of lab/clients/requirements.txt below $place"
rm -rf "$place"
mkdir -p "$(dirname "$place")"
python3 -m venv "$place"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$wanted"
cp "$wanted" "$done"

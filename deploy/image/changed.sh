#!/bin/sh
# Copies into a tree what was written since a file was: changed.sh BEFORE TREE
set -eu
mkdir "$2"
cd /
find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./install -o -path ".$2" \) -prune \
	-o \( -type f -o -type l \) -cnewer "$1" ! -path ./etc/hosts ! -path ./etc/resolv.conf \
	! -path ./etc/hostname -exec cp -a --parents {} "$2" \;

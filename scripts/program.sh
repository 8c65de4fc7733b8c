#!/usr/bin/env bash
# Prints the path of a program that tests use where they can: the first of the
# names that works. Where there is none, the package is installed with Debian's
# package manager when that is allowed (root or sudo without a password). Where
# it is not, nothing is printed and the tests take something else in its place.
# Everything but the path goes to standard error.
#
#   scripts/program.sh PACKAGE NAME…
set -euo pipefail

package=$1
shift

find_program() {
	local name
	for name in "$@"; do
		if "$name" --version >/dev/null 2>&1; then
			command -v "$name"
			return
		fi
	done
	return 1
}

install_package() {
	local root=()
	command -v apt-get >/dev/null || return 1
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
		root=(sudo)
	fi
	"${root[@]}" apt-get update -q &&
		"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$package"
}

if find_program "$@"; then
	exit
fi
if install_package >&2 && find_program "$@"; then
	exit
fi
echo "no $1 and no way to install it: the tests do WITHOUT it, with something like it" >&2

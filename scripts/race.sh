#!/usr/bin/env bash
# Prints -race where the race detector works. It needs a C compiler: one is
# installed where that is possible, and where it is not the tests run without
# the detector and say so.
set -euo pipefail

usable() { [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; }

install_compiler() {
	local root=()
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
		root=(sudo)
	fi
	if command -v apt-get >/dev/null; then
		"${root[@]}" apt-get update -q &&
			"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends gcc libc6-dev
	elif command -v dnf >/dev/null; then
		"${root[@]}" dnf install -y gcc
	elif command -v apk >/dev/null; then
		"${root[@]}" apk add gcc musl-dev
	else
		return 1
	fi
}

if usable || { install_compiler >&2 && usable; }; then
	echo -race
else
	echo "no C compiler and no way to install one: the tests run WITHOUT the race detector" >&2
fi

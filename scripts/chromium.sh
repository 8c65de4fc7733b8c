#!/usr/bin/env bash
# Prints the path of a Chromium for the tests of EventSource. Where the machine
# has none it is installed, with Debian's package manager when that is allowed
# (root or sudo without a password). Where it is not, nothing is printed, and the
# tests take npm's eventsource instead. Everything but the path goes to standard
# error.
set -euo pipefail

find_chromium() {
	local name
	for name in chromium google-chrome google-chrome-stable; do
		if "$name" --version >/dev/null 2>&1; then
			command -v "$name"
			return
		fi
	done
	return 1
}

install_chromium() {
	local root=()
	command -v apt-get >/dev/null || return 1
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
		root=(sudo)
	fi
	"${root[@]}" apt-get update -q &&
		"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium
}

if find_chromium; then
	exit
fi
if install_chromium >&2 && find_chromium; then
	exit
fi
echo "no Chromium and no way to install one: EventSource is tested with npm's eventsource, NOT in a browser" >&2

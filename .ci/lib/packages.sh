#!/usr/bin/env bash
# The one place that installs what the system lacks: `packages.sh [--only-say] NAME…`, with names of the table below.
# Installs by Homebrew or apt-get what is not there; says in a line each what is still missing then, and how to get it
# elsewhere, and exits 1. `--only-say` installs nothing. Runs with the bash 3.2 of macOS as well.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

there() {
  local command
  for command; do
    command -v "$command" || return 1
  done
}

any_file() {
  local file
  for file; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

# has NAME: whether all of it is there.
has() {
  case $1 in
  make | wrk | jq | valgrind) there "$1" ;;
  compiler) there cc ;;
  redis) there redis-server && redis-server --version | grep -Eq ' v=([7-9]|[1-9][0-9]+)\.' ;;
  python) python3 -c 'import ensurepip, tomllib, venv' ;;
  node) there npm && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' ;;
  browser) "$here/../browser/find.sh" ;;
  faketime) any_file /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/{lib,lib64,local/lib}/faketime/libfaketimeMT.so.1 ;;
  prometheus) there promtool prometheus amtool ;;
  redis-exporter) there prometheus-redis-exporter ;;
  proxy) there haproxy ;;
  engine) there dockerd iptables mmdebstrap ;;
  *) return 1 ;;
  esac >/dev/null 2>&1
}

# debian NAME: its packages.
debian() {
  case $1 in
  compiler) echo gcc libc6-dev ;;
  redis) echo redis-server ;;
  python) echo python3-venv ;;
  node) ;;
  browser) [ -n "${CHROMIUM:-}" ] || echo chromium fonts-dejavu-core ;;
  prometheus) echo prometheus prometheus-alertmanager ;;
  redis-exporter) echo prometheus-redis-exporter ;;
  proxy) echo haproxy ;;
  engine) echo docker.io iptables mmdebstrap ;;
  make | wrk | jq | faketime | valgrind) echo "$1" ;;
  esac
}

# homebrew NAME: its formula, where it is installed unasked.
homebrew() {
  case $1 in
  redis) echo redis ;;
  esac
}

# advice NAME: what is said where it is missing.
advice() {
  case $1 in
  make) echo "make is missing (Debian, Ubuntu: apt-get install make; macOS: xcode-select --install)" ;;
  compiler)
    echo "cc is missing: install a C compiler (Debian, Ubuntu: apt-get install gcc libc6-dev; macOS: xcode-select --install)" ;;
  redis)
    echo "redis-server is missing or older than 7.0, and could not be installed here."
    echo "Install Redis 7.0 or newer (Debian, Ubuntu: apt-get install redis-server; Fedora: dnf install redis;"
    echo "Arch: pacman -S redis; macOS: brew install redis), or put redis-server into PATH. Then run make again." ;;
  wrk) echo "wrk is missing: install it (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)" ;;
  valgrind) echo "valgrind is missing: install it (Debian, Ubuntu: apt-get install valgrind)" ;;
  jq) echo "jq is missing: install it (Debian, Ubuntu: apt-get install jq; macOS: brew install jq)" ;;
  python)
    echo "Python 3.11 or newer with venv is missing (Debian, Ubuntu: apt-get install python3-venv; macOS: brew install python)" ;;
  node)
    echo "Node.js 18 or newer with npm is missing (Debian, Ubuntu: apt-get install nodejs npm; macOS: brew install node)" ;;
  browser)
    echo "Chromium or Chrome is missing (Debian: apt-get install chromium; macOS: brew install --cask chromium), or CHROMIUM=/path/to/it" ;;
  faketime)
    echo "libfaketime is missing (Debian, Ubuntu: apt-get install faketime): the scenario clock-ahead will fail" ;;
  prometheus)
    echo "monitoring-check needs promtool, prometheus and amtool in PATH (Debian: apt-get install prometheus prometheus-alertmanager)" ;;
  redis-exporter)
    echo "prometheus-redis-exporter is missing (Debian, Ubuntu: apt-get install prometheus-redis-exporter)" ;;
  proxy) echo "haproxy is missing (Debian, Ubuntu: apt-get install haproxy)" ;;
  engine) echo "dockerd, iptables or mmdebstrap is missing (Debian: apt-get install docker.io iptables mmdebstrap)" ;;
  *) echo "packages.sh knows no $1" ;;
  esac
}

# install_by_apt PACKAGE…: as root, or by sudo. No service is started by its package.
install_by_apt() {
  local sudo=
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || return 0
    sudo=sudo
  fi
  echo "installing $* with apt-get"
  $sudo apt-get update -qq || true
  $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$@" >/dev/null || true
}

install=true
if [ "${1:-}" = --only-say ]; then
  install=false
  shift
fi
missing=()
packages=()
for name; do
  has "$name" && continue
  missing+=("$name")
  formula=$(homebrew "$name")
  if "$install" && [ -n "$formula" ] && command -v brew >/dev/null; then
    brew install "$formula" || true
  else
    for package in $(debian "$name"); do packages+=("$package"); done
  fi
done
[ "${#missing[@]}" != 0 ] || exit 0
if "$install" && [ "${#packages[@]}" != 0 ] && command -v apt-get >/dev/null; then
  install_by_apt "${packages[@]}"
fi
code=0
for name in "${missing[@]}"; do
  has "$name" || { advice "$name" >&2 && code=1; }
done
exit "$code"

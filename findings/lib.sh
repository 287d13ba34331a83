# Sourced by every finding: a folder that goes away, packages that stay inside it, and children that end with the script.
#
# Exit codes: 0 the behaviour is as stated, 1 it changed, 77 the pinned packages could not be installed.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
differences=0
export PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export work

finish() {
    status=$?
    trap - EXIT INT TERM
    children=$(cat "$work/children" 2>/dev/null) || :
    for child in $children; do kill "$child" 2>/dev/null || :; done
    for child in $children; do
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            kill -0 "$child" 2>/dev/null || continue 2
            sleep 0.2
        done
        kill -9 "$child" 2>/dev/null || :
    done
    rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

unavailable() {
    echo "not run: $*"
    exit 77
}

# Python packages in a folder of their own, before all others on the path; their programs are in $site/bin.
pip_packages() {
    site="$work/site"
    python3 -m pip install -q --no-compile --target "$site" "$@" >"$work/install.log" 2>&1 ||
        unavailable "$* : $(tail -n 1 "$work/install.log")"
    export PYTHONPATH="$here:$site"
}

# npm packages, run with node inside $work.
npm_packages() {
    (cd "$work" && npm install --silent --no-audit --no-fund --no-package-lock "$@") >"$work/install.log" 2>&1 ||
        unavailable "$* : $(tail -n 1 "$work/install.log")"
}

# Debian packages with what they still need, unpacked under $root; nothing is installed and no root is needed.
# $bin starts a program among them with its own libraries: "$bin" NAME ARGUMENT...
debian_packages() {
    root="$work/root"
    bin="$work/bin"
    mkdir -p "$root" "$work/debs"
    for pinned in "$@"; do
        apt-get install --print-uris -qq --no-install-recommends "$pinned" >>"$work/uris" 2>>"$work/install.log" ||
            unavailable "$pinned : $(tail -n 1 "$work/install.log")"
    done
    needed=$(awk '{ sub(/_[^_]*$/, "", $2); sub(/_/, "=", $2); gsub(/%3a/, ":", $2); print $2 }' "$work/uris" | sort -u)
    # shellcheck disable=SC2086
    (cd "$work/debs" && apt-get download -q "$@" $needed) >>"$work/install.log" 2>&1 ||
        unavailable "$* : $(tail -n 1 "$work/install.log")"
    for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$root"; done
    libraries=$(find "$root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
    printf '#!/bin/sh\nprogram=$1; shift\nfor d in usr/bin usr/sbin bin sbin; do\n' >"$bin"
    printf '  [ -x "%s/$d/$program" ] && LD_LIBRARY_PATH="%s" exec "%s/$d/$program" "$@"\ndone\n' "$root" "$libraries" "$root" >>"$bin"
    printf 'LD_LIBRARY_PATH="%s" exec "$program" "$@"\n' "$libraries" >>"$bin"
    chmod +x "$bin"
}

free_port() {
    python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A child that lives until the script ends; its output goes to $work/LOG.
start() {
    log=$1
    shift
    "$@" >"$work/$log" 2>&1 </dev/null &
    echo $! >>"$work/children"  # a file, as $(...) would lose a variable
}

wait_port() {
    python3 - "$1" <<'PY' || { echo "nothing listens on port $1"; cat "$work"/*.log | tail -n 20; exit 77; }
import socket, sys, time
end = time.monotonic() + 30
while time.monotonic() < end:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit(1)
PY
}

# What was seen is what the head comment states, or the behaviour changed.
expect() {
    if [ "$2" = "$3" ]; then
        printf '  %s: %s\n' "$1" "$3"
    else
        printf '  %s: CHANGED\n    stated %s\n    seen   %s\n' "$1" "$2" "$3"
        differences=$((differences + 1))
    fi
}

verdict() {
    [ "$differences" -eq 0 ] || { echo "changed: $differences"; exit 1; }
    echo "as stated"
}

#!/bin/sh
# Build the wheel of one platform into native/dist: wheels.sh [target triple]
#
# One wheel serves Python 3.11 and every later version (abi3). Linux wheels are linked by zig against glibc 2.28, the
# oldest that confluent-kafka's own wheels run on, on any host; those for macOS need a Mac.
#
#   wheels.sh x86_64-unknown-linux-gnu      wheels.sh universal2-apple-darwin
#   wheels.sh aarch64-unknown-linux-gnu
set -eu
cd "$(dirname "$0")"
target=${1:-x86_64-unknown-linux-gnu}
tools=target/wheel-tools
[ -x "$tools/bin/maturin" ] || { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet 'maturin[zig]>=1.9,<2'; }

case $target in
    universal2-apple-darwin)
        rustup target add x86_64-apple-darwin aarch64-apple-darwin
        set -- --target "$target"
        ;;
    *-linux-gnu)
        rustup target add "$target"
        set -- --target "$target" --zig --compatibility manylinux_2_28
        ;;
    *)
        echo "error: no such platform: $target" >&2
        exit 2
        ;;
esac
# zig is found as a module of the Python in front.
PATH="$PWD/$tools/bin:$PATH" "$tools/bin/maturin" build --release --locked --out dist "$@"

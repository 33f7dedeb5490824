#!/bin/sh
# Builds the device for a Cortex-M3 and lets QEMU run it, with its serial port connected to a Secure Channel v2 server.
#
#   ./run-on-qemu.sh 127.0.0.1:18020
#
# Prints the exit code, and the flash and stack that the program used. The chip has no noise source: its second serial
# port reads the host's.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 HOST:PORT" >&2; exit 2; }
cd "$(dirname "$0")"
server=${1#http://}
target=thumbv7m-none-eabi

# Where the toolchain lacks the target, SCV2_BUILD_STD=1 builds the core library from the sources that it has.
cargo build --release --quiet --locked --target "$target" ${SCV2_BUILD_STD:+-Zbuild-std=core}
timeout 300 qemu-system-arm -M lm3s6965evb -nographic -monitor none \
    -semihosting-config enable=on,target=native \
    -serial "tcp:$server" \
    -chardev pipe,id=noise,path=/dev/urandom -serial chardev:noise \
    -serial stdio \
    -kernel "${CARGO_TARGET_DIR:-target}/$target/release/firmware"

#!/usr/bin/env bash
# A Secure Channel v2 peer in the shell (bash 5, openssl 3, curl, jq, xxd), from PROTOCOL.md alone. For tests and for learning,
# NOT FOR SECRETS: openssl takes AES keys on its command line, where every user of the machine can read them in `ps`.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   scv2.sh --base-url URL [--email E] [--inline] [--bound]
#   scv2.sh --vectors DIR
#   scv2.sh --make-vectors DIR
#
# channel.sh is the part to copy from; client.sh is the flow; vectors.sh, traces.sh and make.sh are for the test vectors.
set -uo pipefail
export LC_ALL=C # one character is one byte
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
    echo "scv2.sh: $*" >&2
    exit 1
}

((BASH_VERSINFO[0] >= 5)) || die "needs bash 5, this is $BASH_VERSION"
for tool in openssl curl jq xxd base64; do
    command -v "$tool" >/dev/null || die "the program $tool is missing"
done
[[ $(openssl version) == "OpenSSL 3."* ]] || die "needs OpenSSL 3, this is $(openssl version)"

# shellcheck source=SCRIPTDIR/channel.sh
. "$here/channel.sh"

usage="usage: --base-url URL [--email E] [--inline] [--bound] | --vectors DIR | --make-vectors DIR"
mode='' target='' email='' inline=no bound_wanted=no
while (($#)); do
    case $1 in
        --base-url | --vectors | --make-vectors)
            [[ -z $mode && -n ${2-} ]] || die "$usage"
            mode=$1 target=$2
            shift
            ;;
        --email)
            email=${2-}
            shift
            ;;
        --inline) inline=yes ;;
        --bound) bound_wanted=yes ;;
        *) die "$usage" ;;
    esac
    shift || die "$usage"
done

tmp=$(mktemp -d) || die "no temporary folder"
trap 'rm -rf "$tmp"' EXIT
case $mode in
    --base-url)
        # shellcheck source=SCRIPTDIR/client.sh
        . "$here/client.sh"
        run_flow "${target%/}"
        ;;
    --vectors)
        # shellcheck source=SCRIPTDIR/vectors.sh
        . "$here/vectors.sh"
        check_vectors "$target"
        ;;
    --make-vectors)
        # shellcheck source=SCRIPTDIR/make.sh
        . "$here/make.sh"
        make_vectors "$target"
        ;;
    *) die "$usage" ;;
esac

# A Secure Channel v2 peer in Python, from PROTOCOL.md alone; proves that other languages interoperate.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   python3 scv2.py --base-url URL [--email E] [--inline] [--bound]
#   python3 scv2.py --vectors DIR
#   python3 scv2.py --make-vectors DIR
#
# channel.py is the part to copy from; client.py is the flow; vectors.py, traces.py and make.py are for the test vectors.
import argparse
import http.client
import sys

sys.dont_write_bytecode = True
from channel import Refused  # noqa: E402
from client import run  # noqa: E402
from make import make_vectors  # noqa: E402
from vectors import check_vectors  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="SCv2 peer: forgot password end to end, or the test vectors.")
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--base-url")
    one.add_argument("--vectors", metavar="DIR", help="check the vectors in DIR")
    one.add_argument("--make-vectors", metavar="DIR", help="make new ones, for other peers to check; DIR has keys.json")
    parser.add_argument("--email", help="default: a random one")
    parser.add_argument("--inline", action="store_true", help="set up by a type 1 envelope")
    parser.add_argument("--bound", action="store_true", help="use the bound profile")
    args = parser.parse_args()
    try:
        if args.vectors:
            check_vectors(args.vectors)
        elif args.make_vectors:
            make_vectors(args.make_vectors)
        else:
            run(args)
    except (Refused, OSError, http.client.HTTPException, KeyError, ValueError, TypeError, AttributeError) as error:
        sys.exit(f"scv2.py: {type(error).__name__}: {error}")  # exit code 1


if __name__ == "__main__":
    main()

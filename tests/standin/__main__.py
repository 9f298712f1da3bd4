"""`python -m tests.standin [--port 0] [--key KEY]`: print the address, then serve until told to stop."""

import argparse
import asyncio
import sys

from .running import GOOD_KEY, listening, server, url_of


def main() -> None:
    """Serve until SIGINT or SIGTERM; the only line on stdout is the address, and it works from then on."""
    parser = argparse.ArgumentParser(prog="python -m tests.standin")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--key", default=GOOD_KEY, help="the only API key that is accepted")
    options = parser.parse_args()
    with listening(options.port) as listener:
        sys.stdout.write(url_of(listener) + "\n")
        sys.stdout.flush()
        asyncio.run(server(options.key).serve(sockets=[listener]))


if __name__ == "__main__":
    main()

"""The web page: `python app.py`, on a machine of one's own and on a Hugging Face Space."""

import sys


def main() -> int:
    """Serve the page; words are those of `python -m aio ui`."""
    from aio.cli import main as cli

    return cli(["ui", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

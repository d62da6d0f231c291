"""The web page: `python app.py`, on a machine of one's own and on a Hugging Face Space."""

import sys

from aio.__main__ import started


def serve() -> int:
    """Serve the page; words are those of `python -m aio ui`."""
    from aio.machine.here import on_space

    words = sys.argv[1:]
    if on_space():   # before gradio and spaces are imported: they bring huggingface_hub, which reads its settings once
        from aio.spaces.startup import prepare

        words = [*prepare(words), *words]
    from aio import cli

    return cli.main(["ui", *words])


if __name__ == "__main__":
    sys.exit(started(serve))

"""The web page: `python app.py`, on a machine of one's own and on a Hugging Face Space."""

import sys


def main() -> int:
    """Serve the page; words are those of `python -m aio ui`."""
    from aio import cli
    from aio.errors import AioError
    from aio.spaces.here import on_space

    words = sys.argv[1:]
    if on_space():
        from aio.spaces.startup import prepare

        try:   # before gradio and spaces are imported: they bring huggingface_hub, which reads its settings once
            words = [*prepare(words), *words]
        except AioError as error:
            return cli.report(error)
    return cli.main(["ui", *words])


if __name__ == "__main__":
    sys.exit(main())

"""The browser of the tests: a Chromium that is installed, or the one that `python -m playwright install chromium` fetched."""

import os
import shutil
import sys
from pathlib import Path


def found() -> str | None:
    """Its program, None where there is none."""
    fetched = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    program = "chrome-linux*/chrome" if sys.platform == "linux" else "chrome-mac*/*.app/Contents/MacOS/*"
    own = sorted(path for path in fetched.glob(f"chromium-*/{program}") if os.access(path, os.X_OK))
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None) or next(map(str, reversed(own)), None)


CHROMIUM = found()
MISSING = "no Chromium: install it, or run python -m playwright install chromium"

if __name__ == "__main__":
    sys.exit(CHROMIUM is None)

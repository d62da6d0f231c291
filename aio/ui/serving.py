"""The page's server: gradio's, behind the gate, with folders of its own."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradio_client import Client
from starlette.middleware import Middleware

from aio.config.page import Ui
from aio.errors import AioError
from aio.machine import paths, terminal
from aio.recipe import outputs
from aio.run import run
from aio.spaces import prune
from aio.ui import reach
from aio.ui.app import build
from aio.ui.calls import Calls
from aio.ui.catalogue import Catalogue
from aio.ui.door import Door, known
from aio.ui.gate import INNER, Gate
from aio.ui.guard import Page
from aio.ui.handlers import needed
from aio.ui.inbox import Inbox, own_folder
from aio.ui.running import Runner
from aio.ui.theme import CSS, theme

REPAIRS = """() => {
  const repair = () => {
    document.querySelectorAll('.empty[aria-label]:not([role])').forEach(e => e.setAttribute('role', 'img'));
    document.querySelectorAll('input[type=radio]').forEach(e => {
      const name = 'one-of-' + e.closest('.block').id;
      if (e.name !== name) e.name = name;
    });
  };
  repair(); new MutationObserver(repair).observe(document.body, {childList: true, subtree: true});
}"""
"""What gradio's markup lacks: a role for its labelled empty frames, and one name a radio group, so that arrow keys move within it."""

def launch(
    offered: Catalogue, runner: Runner = run, share: bool = False, auth: str | None = None, name: str | None = None, **options: Any
) -> Any:
    """Serve the page until it is interrupted. Only this machine reaches it, unless GRADIO_SERVER_NAME or `share` says more.

    Args:
        auth: names and passwords, as in `ui.auth=…`; None: those of AIO_UI_AUTH. name: to listen at, None for GRADIO_SERVER_NAME.
        options: for gradio's launch, e.g. prevent_thread_lock.
    """
    page, first, name = offered.page, next(iter(offered.modes.values())), name or reach.listening()
    door = Door(known(auth))
    inbox = _surroundings(page, name)
    blocks = build(offered, runner, inbox)
    outputs.prepare(first.output_dir, first.output_name)
    output_dir = first.output_dir.resolve()
    if rules := prune.rules(first):
        prune.keep_pruning(rules, inbox.root)
    endpoints = {str(fn.api_name): needed(fn.fn, fn.input_parameter_names) for fn in blocks.fns.values() if fn.api_name in offered.modes}
    functions = {index: (fn.api_name if fn.api_name in endpoints else "", len(fn.inputs)) for index, fn in blocks.fns.items() if fn.fn}
    gate = functools.partial(
        Gate, page=page, door=door, inbox=inbox, calls=Calls(endpoints, functions), hosts=reach.hosts(name, share, page), tunnel=share)
    settings: Mapping[str, Any] = {
        "server_name": f"[{name}]" if ":" in name else name, "share": share, "app_kwargs": {"middleware": [Middleware(gate)]},
        "allowed_paths": [str(output_dir)] if page.gallery.show == "folder" else [],
        "ssr_mode": False, "run_history": False, "mcp_server": _has_mcp(), "show_error": False, "enable_monitoring": False, "pwa": False,
        "state_session_capacity": page.sessions,
        "max_file_size": f"{page.upload.mb}mb", "theme": theme(), "css_paths": [CSS], "footer_links": ["api"],
        "js": REPAIRS, "head": '<meta name="color-scheme" content="dark"><meta name="theme-color" content="#0f172a">',
    }
    served = _serve(blocks, settings, options, door)
    if not options.get("quiet"):
        where = blocks.share_url or reach.address(name, blocks.server_port)
        terminal.made(reach.line(where, name, bool(blocks.share_url), page, door.locked, output_dir))
        if blocks.mcp_server:
            terminal.made(f"mcp:  {where}/gradio_api/mcp/")
    if not options.get("prevent_thread_lock"):
        blocks.block_thread()
    return served


def _surroundings(page: Ui, name: str) -> Inbox:
    """What gradio and uvicorn read in the environment, and the page's own folder."""
    given = os.environ.get("GRADIO_TEMP_DIR")
    inbox = Inbox(own_folder(Path(given).absolute() if given else paths.temporary() / "page"), page.upload, page.keep)
    past = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), *reach.OWN, name]   # gradio asks its own server for things
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False", GRADIO_ANALYTICS_CACHE_FREQUENCY=str(10**9),   # else a table of all calls after each
        GRADIO_TEMP_DIR=str(inbox.folder), no_proxy=",".join(filter(None, past)), NO_PROXY=",".join(filter(None, past)))
    os.environ.setdefault("FORWARDED_ALLOW_IPS", ",".join(page.proxies))   # uvicorn's; it believes this machine's own else
    return inbox


def _serve(blocks: Page, settings: Mapping[str, Any], options: Mapping[str, Any], door: Door) -> Any:
    """Gradio's launch, without what it says to people who write Python."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            served = blocks.launch(**{**settings, **options, "prevent_thread_lock": True, "quiet": True})
    except OSError:
        raise AioError(f"the page cannot be served at {settings['server_name']}: its ports are taken, or this is no address of this machine; "
                       "choose another port with GRADIO_SERVER_PORT=…, or another address with GRADIO_SERVER_NAME=…") from None
    except Exception as error:   # e.g. a proxy of the environment, where gradio looks whether the page is there
        raise AioError(f"the page cannot be served: {' '.join(str(error).split())}") from None
    if settings["share"] and not blocks.share_url:
        why = " ".join(said.getvalue().split()).split(" Please")[0] or "gradio.live does not answer"
        terminal.say(f"aio: there is no public address now, only this machine reaches the page: {why}")
    if door.locked and blocks.mcp_server:   # gradio's MCP server is a client of this server
        blocks.mcp_server_obj._client_instance = Client(
            blocks.local_url, download_files=False, verbose=False, analytics_enabled=False, ssl_verify=False, _skip_components=False,
            headers={"x-gradio-user": "mcp", INNER.decode(): door.inner})
    return served


def _has_mcp() -> bool:
    return importlib.util.find_spec("mcp") is not None

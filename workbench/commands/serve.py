"""`rankbench serve`: the app in a browser."""

from __future__ import annotations

import secrets
import socket
from urllib.parse import quote

import click

from engine.errors import RankbenchError, UsageError
from engine.workspace import Workspace
from workbench.commands.options import with_workspace
from workbench.commands.output import safe, say

_SHORTEST = 16
_ANY = ("0.0.0.0", "::", "")
"""Hosts that mean every address of this machine; a browser needs one that it can reach."""


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port."
)
@click.option(
    "--token",
    metavar="T",
    envvar="RANKBENCH_TOKEN",
    help="What a browser must bring; needed off this machine, and made if not given.",
)
@click.option("--no-token", is_flag=True, help="Let everybody on this machine in (the default).")
@click.option("--write", is_flag=True, help="Allow verdicts, jobs, exports and other changes.")
@click.option(
    "--judge",
    metavar="NAME",
    help="With --write: under whose name all visitors' verdicts are kept; default: yours.",
)
@with_workspace
def command(
    workspace: Workspace,
    host: str,
    port: int,
    token: str | None,
    no_token: bool,
    write: bool,
    judge: str | None,
) -> None:
    """Put the app in a browser, on this machine only unless --host says otherwise.

    On any other host a token is needed, and made where none is given. A session is read-only
    unless --write allows changes; then all visitors share one judge, --judge NAME, and an undo in
    one session takes back what was judged last in any. There is no encryption: on a network that
    you do not trust, go through a tunnel (`ssh -L 8000:localhost:8000 HOST`).
    """
    from workbench.serving.guard import TOKEN, Guard, is_loopback
    from workbench.serving.server import GuardedServer, app_arguments

    if not write:
        from workbench.read_only import check_current

        check_current(workspace)
    loopback = is_loopback(host)
    token = _chosen(token, no_token, loopback)
    judge = _judge(workspace, judge, write)
    _check_free(host, port)
    title = workspace.settings.name or "rankbench"
    server = GuardedServer(
        app_arguments(workspace.root, write=write, judge=judge),
        Guard(token, loopback, port),
        host,
        title,
    )
    shown = socket.gethostname() if host in _ANY else f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/" + (f"?{TOKEN}={quote(token, safe='')}" if token else "")
    allowed = f"changes allowed, all judged by {safe(judge)}" if write else "read-only"
    say(f"{title}, {allowed}: {address}")
    if not loopback:
        say(
            "Not encrypted: who can listen on the network reads the token and all that is shown; "
            f"`ssh -L {port}:localhost:{port} HOST` tunnels to a server on this machine only."
        )
    say("Ctrl+C ends it and every session.")
    server.run()


def _judge(workspace: Workspace, given: str | None, write: bool) -> str:
    """Whose the visitors' verdicts are; "" where there can be none."""
    from engine.records.judge import judge_name

    if given is not None and not write:
        raise UsageError("--judge goes with --write.", "A read-only session keeps no verdicts.")
    return judge_name(workspace.settings, given) if write else ""


def _chosen(token: str | None, no_token: bool, loopback: bool) -> str:
    """The token that is needed, "" for none.

    Raises:
        UsageError: a token and none, none off this machine, or one that can be guessed.
    """
    if no_token and token is not None:
        raise UsageError("--token and --no-token exclude each other.", "Give one of them.")
    if no_token and not loopback:
        raise UsageError(
            "Without a token only this machine may be served.",
            "Leave --no-token out, or --host.",
        )
    if token is None:
        return "" if loopback else secrets.token_urlsafe()
    if len(token) < _SHORTEST:
        raise UsageError(
            f"A token of {len(token)} characters can be guessed.",
            f"Give {_SHORTEST} or more; without --token a random one is made.",
        )
    return token


def _check_free(host: str, port: int) -> None:
    """Raise a RankbenchError where nothing can listen on the address."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # As the server does: a port whose last connections are ending is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise RankbenchError(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}.",
            "Choose another with --port, or --host.",
        ) from None

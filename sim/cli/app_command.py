"""``lupus-hsct app``: the page on which "what if" is asked, served to this machine alone."""

from __future__ import annotations

import os
import sys
import threading

import click

from sim.cli.options import whole
from sim.cli.output import INTERRUPTED, TERMINATED


@click.command("app")
@click.argument("scenario", required=False)
@whole("--port", 1024, 65535, metavar="N", help="Port to serve on.  [default: a free one]")
@click.option(
    "--posterior", metavar="FILE",
    help="Answer under a posterior of your own: a posterior.csv, or a shipped name.",
)  # fmt: skip
@click.option("--no-browser", is_flag=True, help="Only print the address; open no browser.")
def app_command(scenario: str | None, port: int | None, posterior: str | None, no_browser: bool) -> None:
    """Open a page on which "what if" is asked, and answered at once; Ctrl-C ends it.

    The page is served at 127.0.0.1, to this machine alone, and nothing leaves it. Nothing is stored but the
    reports that are asked for on it, under results/.
    """
    from sim.app.engine import Engine, own_draws
    from sim.app.reports import Reports
    from sim.app.server import Desk, bound, serve, shelf_of

    at, reports = bound(port), Reports()
    engine = Engine(posterior=None if posterior is None else own_draws(posterior))
    desk = Desk(shelf_of(scenario), engine, reports)

    def tell(address: str) -> None:
        click.echo(f"{address} (Ctrl-C ends it)")
        sys.stdout.flush()
        if not no_browser:  # aside, for a browser of the terminal would keep the page waiting
            threading.Thread(target=click.launch, args=(address,), daemon=True).start()

    status = INTERRUPTED
    try:
        serve(desk, at, tell)
    except KeyboardInterrupt:
        pass
    except SystemExit:  # SIGTERM
        status = TERMINATED
    finally:
        reports.close()
    click.echo("Interrupted" if status == INTERRUPTED else "Ended", err=True)
    sys.stderr.flush()
    os._exit(status)  # without waiting for answers that nobody waits for

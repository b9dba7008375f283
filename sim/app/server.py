"""The page's server: answers questions that stand in addresses, and makes reports, for this machine alone."""

from __future__ import annotations

import hmac
import os
import re
import socket
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import anyio
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sim.app import page
from sim.app.controls import controls, presets
from sim.app.engine import Engine
from sim.app.question import Question, asked_by, is_shipped, question
from sim.app.reports import Report, Reports, TooManyError
from sim.app.security import HOST, REPORT_POLICY, Guard
from sim.scenario.load import Loaded, load
from sim.scenario.plain import printable
from sim.scenario.problems import RequestError
from sim.scenario.refusals import bad_value
from sim.scenario.shipped import shipped_names

TOKEN = "X-Token"  # noqa: S105 (the header's name)
ROUGH = "rough"
"""Name in an address that asks for a quick answer, while the hand is moving; no part of the question."""
TARGET = "target"
"""Name in an address that asks how few rooms would do: the share that may wait long."""
_AT_ONCE = 4
_MOST_WAITING = 24
_TYPES = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
    ".png": "image/png", ".pdf": "application/pdf", ".csv": "text/csv", ".json": "application/json",
    ".toml": "text/plain",
}  # fmt: skip

Found = TypeVar("Found")


def shelf_of(reference: str | None = None) -> dict[str, Loaded]:
    """Return the scenarios that may be asked about, the one that is named first.

    Raises
    ------
    RequestError
        There is no such scenario, or something in it is wrong.
    """
    shelf = {name: load(name) for name in shipped_names()}
    if reference is None:
        return shelf
    own = load(reference)
    taken = own.name in shelf and not is_shipped(own)
    name = own.path.name if taken else own.name
    shelf.pop(name, None)
    return {name: own, **shelf}


class Desk:
    """What the routes of one session share.

    Parameters
    ----------
    shelf
        The scenarios that may be asked about, by name.
    engine
        Who answers.
    reports
        Who makes reports.
    pages
        Who writes HTML.
    """

    def __init__(
        self, shelf: Mapping[str, Loaded], engine: Engine, reports: Reports, pages: ModuleType = page
    ) -> None:
        self._shelf, self._engine, self.reports, self._pages = shelf, engine, reports, pages
        self._static, self._presets = dict(pages.static_files()), presets(shelf)
        self._room, self._waiting = anyio.CapacityLimiter(_AT_ONCE), 0
        self.token = os.urandom(16).hex()
        asked = asked_by(next(iter(shelf.values())), shelf)
        self.opening = f"?{asked.address}" if asked else ""
        """The query that the session opens with: what a downloaded scenario.toml asks."""

    def application(self, port: int) -> Guard:
        """Return what serves this session, guarded."""
        routes = [
            Route("/", self._page),
            Route("/answer", self._answer),
            Route("/posterior", self._posterior),
            Route("/capacity", self._rooms),
            Route("/scenario.toml", self._toml),
            Route("/static/{name}", self._file),
            Route("/report", self._begin, methods=["POST"]),
            Route("/report/{number}", self._progress),
            Route("/folders/{number}/{name:path}", self._folder),
        ]
        refusals = {RequestError: self._refused, HTTPException: _plainly, Exception: _plainly}
        application = Starlette(routes=routes, exception_handlers=refusals)
        application.router.redirect_slashes = False
        return Guard(application, port)

    async def _page(self, request: Request) -> Response:
        def made(asked: Question) -> str:
            answer = self._engine.answer(asked)
            return str(self._pages.page_html(asked, controls(asked), answer, self.token, self._presets))

        return HTMLResponse(await self._computed(request, made))

    async def _answer(self, request: Request) -> Response:
        fine = ROUGH not in request.query_params

        def made(asked: Question) -> str:
            return str(self._pages.answer_html(asked, self._engine.answer(asked, fine=fine)))

        return HTMLResponse(await self._computed(request, made))

    async def _posterior(self, request: Request) -> Response:
        def made(asked: Question) -> str:
            return str(self._pages.posterior_html(asked, self._engine.posterior(asked)))

        return HTMLResponse(await self._computed(request, made))

    async def _rooms(self, request: Request) -> Response:
        target = share_of(request.query_params.get(TARGET, ""))

        def made(asked: Question) -> str:
            return str(self._pages.answer_html(asked, self._engine.rooms(asked, target)))

        return HTMLResponse(await self._computed(request, made))

    async def _toml(self, request: Request) -> Response:
        text = await self._computed(request, lambda asked: asked.toml)
        attached = {"Content-Disposition": 'attachment; filename="scenario.toml"'}
        return Response(text, 200, attached, "application/toml")

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._static:
            raise HTTPException(404)
        return Response(self._static[name], media_type=_TYPES[Path(name).suffix])

    async def _begin(self, request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get(TOKEN, "").encode(), self.token.encode()):
            raise HTTPException(403, "Only the page itself may ask this; open it anew.")
        try:
            report = await self._computed(request, self.reports.begin)
        except TooManyError:
            raise HTTPException(503, "Two reports are being made; wait for one of them.") from None
        return JSONResponse({"at": f"/report/{report.number}"}, 202)

    async def _progress(self, request: Request) -> Response:
        return JSONResponse(self._report_of(request).told)

    def _report_of(self, request: Request) -> Report:
        report = self.reports.get(request.path_params["number"])
        if report is None:
            raise HTTPException(404)
        return report

    async def _folder(self, request: Request) -> Response:
        report, name = self._report_of(request), request.path_params["name"]
        if report.folder is None or name not in report.names:  # a listing, and no path, says what there is
            raise HTTPException(404)
        path = report.folder / name
        if not path.is_file() or path.resolve() != report.folder.resolve() / name:  # it became a link
            raise HTTPException(404)
        kind = _TYPES.get(path.suffix, "application/octet-stream")
        return FileResponse(path, headers={"Content-Security-Policy": REPORT_POLICY}, media_type=kind)

    async def _computed(self, request: Request, make: Callable[[Question], Found]) -> Found:
        """Read the question and do something about it aside, unless the one who asked has gone meanwhile.

        Raises
        ------
        RequestError
            The address asks for something wrong.
        HTTPException
            Too much is waiting.
        """
        pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in (ROUGH, TARGET)]
        if self._waiting >= _MOST_WAITING:
            raise HTTPException(503, "Too many questions at once; ask again in a moment.")
        self._waiting += 1
        try:
            async with self._room:
                if await request.is_disconnected():
                    raise HTTPException(503, "Nobody waits for this.")
                work = partial(self._made, pairs, make)
                return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        finally:
            self._waiting -= 1

    def _made(self, pairs: list[tuple[str, str]], make: Callable[[Question], Found]) -> Found:
        return make(question(pairs, self._shelf))

    async def _refused(self, request: Request, error: Exception) -> Response:
        """Say what is wrong with an address: one message, on a page or in the place of the answer."""
        whole = request.scope["path"] == "/"
        return HTMLResponse(self._pages.refused_html(printable(str(error)), whole=whole), 400)


def share_of(text: str) -> float:
    """Read a share.

    Raises
    ------
    RequestError
        It is none.
    """
    number = float(text) if re.fullmatch(r"0?\.\d{1,9}", text) else 0.0
    if not number > 0:
        raise RequestError(bad_value("", TARGET, text, "a share between 0 and 1, such as 0.05"))
    return number


async def _plainly(_request: Request, error: Exception) -> Response:
    """Say in words why there is no answer; of a bug the terminal says more."""
    if isinstance(error, HTTPException):
        return PlainTextResponse(error.detail, error.status_code, error.headers)
    traceback.print_exception(error)
    return PlainTextResponse("Something went wrong; the terminal says what.", 500)


def bound(port: int | None = None) -> socket.socket:
    """Return a socket of this machine alone, on a port of its own if none is asked for.

    Raises
    ------
    RequestError
        The port is taken.
    """
    found = socket.socket()
    if os.name == "posix":  # elsewhere two programs would share a port
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port or 0))
        found.listen()
    except OSError as error:
        found.close()
        raise RequestError(
            f"--port: {port} can't be had: {error.strerror}; name another, or leave it away to get a free one"
        ) from error
    return found


def server_of(desk: Desk, port: int) -> uvicorn.Server:
    """Return what serves a session on a port, without a word on the terminal."""
    return uvicorn.Server(
        uvicorn.Config(
            desk.application(port), http="h11", ws="none", lifespan="off", log_config=None,
            log_level="critical", access_log=False, proxy_headers=False, server_header=False,
            timeout_graceful_shutdown=0,
        )
    )  # fmt: skip


def serve(desk: Desk, at: socket.socket, tell: Callable[[str], None]) -> None:
    """Serve a session until it is interrupted, and say where."""
    port = at.getsockname()[1]
    tell(f"http://{HOST}:{port}/{desk.opening}")  # the socket listens already: who comes early waits
    server_of(desk, port).run([at])

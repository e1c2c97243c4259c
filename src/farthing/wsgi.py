"""`Paywall`: one line before any WSGI application.

::

    application = farthing.wsgi.Paywall(application, data="vendor")

The gate is that of `asgi.py`, on an event loop in a thread of its own, one for each process. The
application runs in the thread that its server gave the request, as it would without us. What the
gate wants of that thread (read the body, run the application, send this) comes by a queue.
"""

import asyncio
import atexit
import logging
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

from farthing.vendor.app import Vendor
from farthing.vendor.asgi import Message, Receive, Scope, Send

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Head = tuple[str, list[tuple[str, str]]]
Work = Generator[Head | bytes, None, Any]
"""What a request's thread does for its task; what it yields goes out."""
_Todo = tuple[Callable[[], Work], asyncio.Future[Any]]

READ_BYTES = 65_536  # of a body at once
TARGETS = ("RAW_URI", "REQUEST_URI")  # where servers leave the address as it came
OWN_NAMES = ("CONTENT_TYPE", "CONTENT_LENGTH")  # of headers; all others begin with HTTP_
_log = logging.getLogger("farthing.gate")


class Paywall:
    """A WSGI application that sells another one."""

    def __init__(self, app: App, data: str | Path | None = None) -> None:
        """`data`: the vendor's folder, else `FARTHING_DATA`; `Misconfigured` if it is not one."""
        self._app = app
        self._data = Path(data or os.environ.get("FARTHING_DATA", "vendor"))
        self._desks: dict[int, _Desk] = {}
        self._entrance = threading.Lock()
        _Desk(self._data).close()  # opened anew by each process: a server may fork after this
        atexit.register(self.close)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        with self._entrance:
            desk = self._desks.get(os.getpid()) or _Desk(self._data)
            self._desks[os.getpid()] = desk
        desk.keep_house()
        parts = _Call(self._app, environ, desk).parts()
        status, headers = next(parts)
        start_response(status, headers)
        return parts

    def close(self) -> None:
        """End the housework, close the store."""
        with self._entrance:
            desk = self._desks.pop(os.getpid(), None)
        if desk is not None:
            desk.close()


class _Desk:
    """The vendor in one process, with the loop that it lives on."""

    def __init__(self, data: Path) -> None:
        self.vendor = Vendor(data)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._housework: Future[None] | None = None

    def run(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Have it done on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def settle(self, done: asyncio.Future[Any], result: Any, wrong: Exception | None) -> None:
        """Tell a task how what it waits for has ended, if it waits yet."""

        def tell() -> None:
            if done.done():
                return
            if wrong is None:
                done.set_result(result)
            else:
                done.set_exception(wrong)

        self._loop.call_soon_threadsafe(tell)

    def keep_house(self) -> None:
        """Clear and forget beside the requests; begun anew should it ever break off."""
        if self._housework is None or self._housework.done():
            self._housework = self.run(self.vendor.keep_house())

    def close(self) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self.vendor.close()

        self.run(end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Call:
    """One request: a task on the loop, and the thread of the server's that works for it."""

    def __init__(self, app: App, environ: Environ, desk: _Desk) -> None:
        self._app, self._environ, self._desk = app, environ, desk
        self._todo: queue.SimpleQueue[_Todo | Future[Any]] = queue.SimpleQueue()
        said = environ.get("CONTENT_LENGTH") or ""
        is_terminated = environ.get("wsgi.input_terminated", False)
        self._left = int(said) if said.isdigit() else None if is_terminated else 0
        self._is_read = False

    def parts(self) -> Iterator[Any]:
        """Head and body of the answer; closed before its end, the payer has left."""
        serving = self._desk.vendor.serve(
            self._origin, scope_of(self._environ), self._receive, self._send
        )
        task = self._desk.run(serving)
        try:
            yield from self._work_for(task)
            task.result()
        finally:
            task.cancel()

    def _work_for(self, task: Future[Any]) -> Work:
        """Do what is asked for until `task` is done."""
        task.add_done_callback(self._todo.put)
        while not task.done():
            todo = self._todo.get()
            if isinstance(todo, Future):
                continue
            work, done = todo
            if done.done():  # the task has been cancelled, and waits no more
                continue
            try:
                result = yield from work()
            except Exception as wrong:  # noqa: BLE001 - whatever it is, it is meant for the task
                self._desk.settle(done, None, wrong)
            else:
                self._desk.settle(done, result, None)

    def _on_loop(self, work: Any) -> Work:
        task = self._desk.run(work)
        yield from self._work_for(task)
        return task.result()

    # --- on the loop ----------------------------------------------------------------------------

    async def _ask(self, work: Callable[[], Work]) -> Any:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._todo.put((work, done))
        return await done

    async def _receive(self) -> Message:
        self._is_read = True
        message: Message = await self._ask(self._read)
        return message

    async def _send(self, message: Message) -> None:
        """Once it is done the server has sent it, and wants more."""
        await self._ask(lambda: _going_out(message))

    async def _origin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, as the gate runs it."""
        done = asyncio.Event()
        try:
            await self._ask(lambda: self._run(scope, receive, send, done.is_set))
        finally:
            done.set()

    # --- in the request's thread ----------------------------------------------------------------

    def _read(self) -> Work:
        yield from ()
        size = READ_BYTES if self._left is None else min(READ_BYTES, self._left)
        part = self._environ["wsgi.input"].read(size) if size else b""
        if self._left is None:
            return {"type": "http.request", "body": part, "more_body": bool(part)}
        self._left -= len(part)
        if self._left and not part:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": self._left > 0}

    def _run(self, scope: Scope, receive: Receive, send: Send, is_over: Callable[[], bool]) -> Work:
        """Run the application and hand on its answer, part by part, until nobody wants it."""
        environ = environ_of(scope, self._environ)
        if self._is_read:  # by the gate, which hands it on
            body = (yield from self._on_loop(receive())).get("body", b"")
            environ["wsgi.input"] = BytesIO(body)
        answer = _Answer()
        parts = self._app(environ, answer.start_response)
        try:
            is_one = isinstance(parts, Sized) and len(parts) == 1
            for part in parts:
                if is_over():
                    return
                body = answer.with_written(part)
                if not body and not is_one:
                    continue
                for message in answer.messages(body, more=not is_one):
                    yield from self._on_loop(send(message))
            if not is_one:
                for message in answer.messages(answer.with_written(b""), more=False):
                    yield from self._on_loop(send(message))
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()


class _Answer:
    """What an application says of its answer, as ASGI has it."""

    def __init__(self) -> None:
        self._head: Message | None = None
        self._is_begun = False
        self._written: list[bytes] = []

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """As PEP 3333 has it."""
        if self._is_begun:
            raise exc_info[1] if exc_info else AssertionError("the answer has begun")
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._head = {"type": "http.response.start", "status": int(status[:3]), "headers": raw}
        return self._written.append

    def with_written(self, part: bytes) -> bytes:
        """The part after what was given to `write` before it."""
        body = b"".join((*self._written, part))
        self._written.clear()
        return body

    def messages(self, body: bytes, *, more: bool) -> Iterator[Message]:
        """The head, if it is not out yet, and a part of the body."""
        if not self._is_begun:
            assert self._head is not None, "start_response was not called"
            self._is_begun = True
            yield self._head
        yield {"type": "http.response.body", "body": body, "more_body": more}


def _going_out(message: Message) -> Work:
    """A message as the server takes it."""
    if message["type"] == "http.response.start":
        status = message["status"]
        known = {each.value: each.phrase for each in HTTPStatus}
        pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message["headers"]]
        yield f"{status} {known.get(status, 'Unknown')}", pairs
    elif message.get("body"):
        yield bytes(message["body"])


def scope_of(environ: Environ) -> Scope:
    """The ASGI scope of a WSGI request; the address as it came, where the server keeps it."""
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    raw = next((environ[name] for name in TARGETS if environ.get(name, "")[:1] == "/"), "")
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower().encode(), value.encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in OWN_NAMES and value)
    ]
    if "HTTP_HOST" not in environ:
        named = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        headers.append((b"host", named.encode("latin-1")))
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": (path or b"/").decode("utf-8", "replace"),
        "raw_path": raw.partition("?")[0].encode("latin-1") or None,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": headers,
        "client": (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"] or 0)),
        "extensions": {},
    }


def environ_of(scope: Scope, outer: Environ) -> Environ:
    """What the application sees of a request that the gate lets through."""
    kept = {
        name: value
        for name, value in outer.items()
        if not name.startswith("HTTP_") and name not in OWN_NAMES
    }
    kept |= {
        "REQUEST_METHOD": scope["method"],
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "wsgi.url_scheme": scope["scheme"],
        "REMOTE_ADDR": scope["client"][0],
    }
    if scope["raw_path"] != scope_of(outer)["raw_path"]:  # of a request that came under a seal
        path = scope["path"].encode().decode("latin-1")
        kept |= {"SCRIPT_NAME": "", "PATH_INFO": path}
        kept |= {name: scope["raw_path"].decode("latin-1") for name in TARGETS if name in outer}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in OWN_NAMES else f"HTTP_{key}"
        said = value.decode("latin-1")
        kept[key] = f"{kept[key]},{said}" if key in kept else said
    return kept

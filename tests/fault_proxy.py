"""A proxy of ours between the program and a server: it counts requests and makes the N-th of them fail in a chosen way.

It speaks HTTP/1.1 (S3, REST catalogs) and PostgreSQL's protocol, each as far as needed to know where a request ends and its answer ends;
so it can carry a request out and lose its answer, which no TCP proxy can. Requests are passed on byte for byte: signatures stay valid.
"""

import asyncio
import contextlib
import re
import socket
import struct
import threading
from dataclasses import dataclass

# What can happen to a request.
RESET = "reset"  # the connection is reset before the request was passed on
LOST_ANSWER = "lost answer"  # it was carried out, then the connection is reset instead of an answer
TRUNCATED = "truncated"  # it was carried out, half of the answer arrives, then the connection is reset
ERROR_500 = "500"  # answered with 500, not carried out (HTTP)
ERROR_503 = "503"  # answered with 503, not carried out (HTTP)
DELAYED = "delayed"  # carried out; the answer comes DELAY_S later
HELD = "held"  # neither passed on nor answered as long as the client waits (HTTP); in no list: only for clients that are killed
HTTP_FAULTS = (RESET, LOST_ANSWER, TRUNCATED, ERROR_500, ERROR_503, DELAYED)
TCP_FAULTS = (RESET, LOST_ANSWER, TRUNCATED, DELAYED)
DELAY_S = 0.2
HEAD_BYTES_MAX = 256 * 1024
CHUNK = 64 * 1024


@dataclass
class Fault:
    """`kind` happens to requests number `first` to `first + count - 1`, counted from 1 since the plan was made; only those that begin
    with `what` are counted."""

    kind: str
    first: int
    count: int = 1
    what: str = ""


class FaultProxy:
    """Listens on a free loopback port; a thread of its own. `requests` names what came since plan() was called last."""

    def __init__(self, host, port, protocol):
        self.upstream, self._serve_one = (host, port), {"http": self._http, "postgres": self._postgres}[protocol]
        self.requests, self.fired, self._fault = [], 0, None
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._connections = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def plan(self, fault=None):
        """From now on requests are counted from 1, and this happens (None: nothing). Returns the requests that came before."""
        with self._lock:
            before, self.requests, self.fired, self._fault = self.requests, [], 0, fault
        return before

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, ready):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_BYTES_MAX))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _count(self, what):
        """Counts a request; returns what happens to it."""
        with self._lock:
            self.requests.append(what)
            fault = self._fault
            if fault is None or not what.startswith(fault.what):
                return None
            number = sum(one.startswith(fault.what) for one in self.requests)
            if not fault.first <= number < fault.first + fault.count:
                return None
            self.fired += 1
            return fault.kind

    async def _accept(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.upstream, limit=HEAD_BYTES_MAX)
        except OSError:
            reset(writer)
            return
        try:
            await self._serve_one(reader, writer, up_reader, up_writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            reset(writer)
        finally:
            for one in (writer, up_writer):
                with contextlib.suppress(OSError):
                    one.close()

    # HTTP: one request after the other on a connection.
    async def _http(self, reader, writer, up_reader, up_writer):
        while True:
            head = await read_head(reader)
            if head is None:
                return
            if re.search(rb"\r\nexpect: *100-continue\r\n", head, re.IGNORECASE):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                head = re.sub(rb"\r\nexpect: *100-continue\r\n", b"\r\n", head, flags=re.IGNORECASE)
            body = b"".join([part async for part in body_parts(reader, head, is_request=True)])
            method, target = head.split(b" ", 2)[:2]
            kind = self._count(f"{method.decode()} {target.decode()}")
            if kind == RESET:
                return reset(writer)
            if kind == HELD:
                await reader.read()
                return
            if kind in (ERROR_500, ERROR_503):
                writer.write(b"HTTP/1.1 %s Injected\r\nContent-Length: 0\r\n\r\n" % kind.encode())
                await writer.drain()
                continue
            up_writer.write(head + body)
            await up_writer.drain()
            keep = await self._http_answer(kind, method, up_reader, writer)
            if not keep:
                return

    async def _http_answer(self, kind, method, up_reader, writer):
        head = await read_head(up_reader)
        while head is not None and head.startswith(b"HTTP/1.1 100"):
            head = await read_head(up_reader)
        if head is None:
            reset(writer)
            return False
        parts = body_parts(up_reader, head, is_request=False, without_body=method == b"HEAD")
        if kind is None:  # as it comes: nothing large is kept
            writer.write(head)
            async for part in parts:
                writer.write(part)
                await writer.drain()
        else:
            body = b"".join([part async for part in parts])
            answer = head + body
            if kind in (LOST_ANSWER, TRUNCATED):
                half = head + body[: len(body) // 2] if body else head[: len("HTTP/1.")]
                writer.write(half if kind == TRUNCATED else b"")
                await writer.drain()
                reset(writer, at_once=kind == LOST_ANSWER)
                return False
            await asyncio.sleep(DELAY_S)
            writer.write(answer)
        await writer.drain()
        return not re.search(rb"\r\nconnection: *close\r\n", head, re.IGNORECASE)

    # PostgreSQL: a request is a message after which the server answers until it is ready for the next one: Query and Sync.
    async def _postgres(self, reader, writer, up_reader, up_writer):
        state = {"kind": None}
        answers = asyncio.ensure_future(self._postgres_answers(up_reader, writer, up_writer, state))
        try:
            while True:
                size = struct.unpack("!I", await reader.readexactly(4))[0]
                start = await reader.readexactly(size - 4)
                up_writer.write(struct.pack("!I", size) + start)
                if struct.unpack("!I", start[:4])[0] not in (80877103, 80877104):  # requests for TLS or GSS come before the start
                    break
            buffer, at = b"", 0
            while chunk := await reader.read(CHUNK):
                buffer, at = buffer[at:] + chunk, 0
                while end := message_end(buffer, at):
                    if buffer[at] in b"QS":
                        what = buffer[at + 5 : min(end, at + 205)].rstrip(b"\0").decode(errors="replace")
                        state["kind"] = self._count(what if buffer[at : at + 1] == b"Q" else "Sync")
                        if state["kind"] == RESET:
                            reset(writer)
                            return
                    at = end
                up_writer.write(buffer[:at])
                await up_writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            # A server whose client is gone must see it: a session left open would hold its locks against everybody.
            if not answers.done() and state["kind"] in (None, RESET):
                answers.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
                await answers

    async def _postgres_answers(self, up_reader, writer, up_writer, state):
        first = await up_reader.read(1)
        while first == b"N":  # no TLS here; the client goes on in plain text
            writer.write(first)
            first = await up_reader.read(1)
        buffer, held = first, b""
        while chunk := await up_reader.read(CHUNK):
            buffer += chunk
            at, passed = 0, b""
            while end := message_end(buffer, at):
                message, kind, at = buffer[at:end], state["kind"], end
                if kind is None or message[:1] == b"G":  # CopyInResponse: the request goes on
                    passed += message
                    continue
                held += message
                if message[:1] != b"Z":
                    continue
                if kind in (LOST_ANSWER, TRUNCATED):
                    writer.write(held[: len(held) // 2] if kind == TRUNCATED else b"")
                    reset(writer, at_once=kind == LOST_ANSWER)
                    up_writer.close()
                    return
                await asyncio.sleep(DELAY_S)
                passed, held, state["kind"] = passed + held, b"", None
            buffer = buffer[at:]
            writer.write(passed)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


def message_end(buffer, at):
    """Where the message of PostgreSQL that begins at `at` ends: a letter, its size without that letter, its body. None: not all is here."""
    if len(buffer) < at + 5:
        return None
    end = at + 1 + struct.unpack_from("!I", buffer, at + 1)[0]
    return end if end <= len(buffer) else None


async def read_head(reader):
    """The bytes up to the empty line; None at the end of the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None


async def body_parts(reader, head, *, is_request, without_body=False):
    """The body that follows this head, as bytes on the wire."""
    if without_body or not is_request and re.match(rb"HTTP/1\.[01] (1\d\d|204|304)", head):
        return
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if re.search(rb"\r\ntransfer-encoding: *chunked", head, re.IGNORECASE):
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line + await reader.readexactly(size + 2)
            if size == 0:
                return
    elif length:
        left = int(length.group(1))
        while left:
            part = await reader.read(min(left, CHUNK))
            if not part:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(part)
            yield part
    elif not is_request:
        while part := await reader.read(CHUNK):
            yield part


def reset(writer, at_once=True):
    """Ends a connection with RST; `at_once`: what is still on its way out is thrown away."""
    if at_once:
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()

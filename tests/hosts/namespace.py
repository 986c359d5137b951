"""Runs a server in a network namespace without a name, and lends it listening sockets outside.

    python namespace.py FD:PORT,FD:PORT COMMAND...

Samba listens on the ports 389 and 636 and no others. So it gets a network of its own, in which
they are free, and this program passes on to them what arrives at sockets that it inherited from
outside. The namespace vanishes with the last of its processes, however they end. As root it is
made by root's right; anybody else needs user namespaces that are open to all.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PR_SET_PDEATHSIG = 1
_CHUNK = 65536


def enter_namespace() -> None:
    """From here on this process is in a network of its own, where only `lo` is."""
    uid, gid = os.getuid(), os.getgid()
    _unshare(_CLONE_NEWNET if uid == 0 else _CLONE_NEWNET | _CLONE_NEWUSER)
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"no network namespace can be made here: {os.strerror(code)}")


def run_server(command: list[str]) -> subprocess.Popen[bytes]:
    """Killed when we end; what else we inherited goes on to it, but not the sockets."""
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=prepare,  # noqa: PLW1509
    )


async def pass_on(near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await near.read(_CHUNK):
            far.write(chunk)
            await far.drain()
    far.close()


async def lend(listening: socket.socket, port: int) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

    server = await asyncio.start_server(connect, sock=listening)
    await server.serve_forever()


def inherited(pair: str) -> tuple[socket.socket, int]:
    """The socket and the port of `"FD:PORT"`."""
    descriptor, _, port = pair.partition(":")
    os.set_inheritable(int(descriptor), False)
    return socket.socket(fileno=int(descriptor)), int(port)


async def main(sockets: str, command: list[str]) -> int:
    """Ends when the server does."""
    lent = [inherited(pair) for pair in sockets.split(",")]
    server = run_server(command)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.terminate)
    lending = asyncio.gather(*(lend(*each) for each in lent))
    code = await asyncio.to_thread(server.wait)
    lending.cancel()
    return code


if __name__ == "__main__":
    enter_namespace()
    os._exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))

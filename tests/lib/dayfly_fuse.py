"""A filesystem in user space whose server answers nothing about one name: who asks waits, and not even SIGKILL ends that, since the kernel
has the server's word that the request is being worked on. Needs root."""
import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import threading

HANGS = b"hang"
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, GETXATTR, OPENDIR, READDIR, RELEASEDIR, INIT, ACCESS, INTERRUPT = \
    1, 2, 3, 14, 15, 17, 18, 22, 27, 28, 29, 26, 34, 36
SILENT = (FORGET, INTERRUPT)


class HangingFuse:
    """Holds one directory: empty to list, ENOENT for every name, no answer for `hang`."""

    def __init__(self, place, uid, gid):
        self.place, self.uid, self.gid = place, uid, gid
        self.hung = threading.Event()
        self.waiting = []
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other" % (self.fd, uid, gid)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"hanging", place.encode(), b"fuse", 6, options.encode()) < 0:
            number = ctypes.get_errno()
            os.close(self.fd)
            raise OSError(number, os.strerror(number))
        self.libc = libc
        self.is_done = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def attributes(self):
        return struct.pack("<QQQQQQIIIIIIIIII", 1, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o755, 2, self.uid, self.gid, 0, 4096, 0)

    def answer(self, op, unique, body):
        if op == INIT:
            return struct.pack("<IIIIHHIIHHIIHH4x24x", 7, 31, 0, 0, 12, 10, 4096, 1, 0, 0, 0, 0, 0, 0)[:24]
        if op == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attributes()
        if op in (OPENDIR, OPEN):
            return struct.pack("<QII", 0, 0, 0)
        if op == STATFS:
            return bytes(80)
        if op in (READDIR, RELEASEDIR, RELEASE, ACCESS):
            return b""
        if op == LOOKUP and body.rstrip(b"\0") == HANGS:
            self.waiting.append(unique)
            self.hung.set()
            return None
        return errno.ENOENT if op == LOOKUP else errno.ENOSYS

    def reply(self, unique, number, data=b""):
        with contextlib.suppress(OSError):
            os.write(self.fd, struct.pack("<IiQ", 16 + len(data), -number, unique) + data)

    def serve(self):
        while not self.is_done.is_set():
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                request = os.read(self.fd, 1 << 17)
            except OSError:
                continue
            _, op, unique = struct.unpack_from("<IIQ", request)
            reply = self.answer(op, unique, request[40:]) if op not in SILENT else None
            if isinstance(reply, int):
                self.reply(unique, reply)
            elif reply is not None:
                self.reply(unique, 0, reply)

    def release(self):
        """Whoever waits gets an error."""
        for unique in self.waiting:
            self.reply(unique, errno.EIO)
        self.waiting.clear()

    def close(self):
        if self.fd < 0:
            return
        self.release()
        self.libc.umount2(self.place.encode(), 2)
        self.is_done.set()
        self.thread.join()
        os.close(self.fd)
        self.fd = -1

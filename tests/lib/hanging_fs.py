"""A FUSE filesystem of empty directories that can stop to answer. Needs root and /dev/fuse."""
import ctypes
import errno
import os
import struct
import threading
import time

LOOKUP, FORGET, GETATTR, STATFS, OPENDIR, READDIR, RELEASEDIR, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 17, 27, 28, 29, 26, 36, 42
LONG = 3600
INIT_EXT, ALLOW_IDMAP = 1 << 30, 1 << 8  # the second from Linux 6.12 on
libc = ctypes.CDLL(None, use_errno=True)


def is_possible():
    return os.geteuid() == 0 and os.path.exists("/dev/fuse")


class HangingFs:
    """names: what each directory has for directories, without end; all belong to the owner. never_kept: those that the kernel asks for
    each time."""

    def __init__(self, place, owner, names, never_kept=()):
        self.place, self.owner, self.never_kept = place, owner, [n.encode() for n in never_kept]
        self.names, self.nodes = [n.encode() for n in names], {}
        self.born = int(time.time()) - 1000
        self.hanging = set()  # names whose lookup is not answered
        self.hung = []        # those that wait
        self.is_over = False
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other,default_permissions" % self.fd
        self.thread = threading.Thread(target=self.serve, daemon=True)
        if libc.mount(b"dayfly-test", place.encode(), b"fuse", 6, options.encode()) < 0:
            number = ctypes.get_errno()
            os.close(self.fd)
            raise OSError(number, os.strerror(number))
        self.thread.start()
        self.device = os.stat(place).st_dev

    def end(self):
        """Every call that waits fails."""
        if self.is_over:
            return
        libc.umount2(self.place.encode(), 2)
        # Not closed while it is read: then the connection would stay.
        self.is_over = True
        for unique in self.hung:
            self.answer(unique, error=errno.EIO)
        self.thread.join(10)
        os.close(self.fd)

    def attr(self, node):
        return struct.pack("<6Q10I", node, 0, 0, self.born, self.born, self.born, 0, 0, 0, 0o40755, 2, self.owner, self.owner, 0, 4096, 0)

    def entry(self, parent, name):
        node = self.nodes.setdefault((parent, name), len(self.nodes) + 2) if name in self.names else 0
        kept = 0 if name in self.never_kept else LONG
        return struct.pack("<4Q2I", node, 0, kept, LONG, 0, 0) + self.attr(node)

    def answer(self, unique, data=b"", error=0):
        try:
            os.write(self.fd, struct.pack("<IiQ", 16 + len(data), -error, unique) + data)
        except OSError:
            pass  # it was interrupted

    def serve(self):
        while True:
            try:
                request = os.read(self.fd, 1 << 17)
            except OSError as e:
                if e.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return  # unmounted, or aborted
            _, opcode, unique, node = struct.unpack("<IIQQ", request[:24])
            body = request[40:]
            if opcode == INIT:
                self.answer(unique, struct.pack("<4I2H2I2HI7I", 7, 40, 0, INIT_EXT, 12, 9, 4096, 1, 1, 0, ALLOW_IDMAP, *[0] * 7))
            elif opcode == LOOKUP:
                name = body.rstrip(b"\0")
                if name.decode() in self.hanging and not self.is_over:
                    self.hung.append(unique)
                else:
                    self.answer(unique, self.entry(node, name))
            elif opcode == GETATTR:
                self.answer(unique, struct.pack("<QII", LONG, 0, 0) + self.attr(node))
            elif opcode == STATFS:
                self.answer(unique, struct.pack("<5Q4I6I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6))
            elif opcode == OPENDIR:
                self.answer(unique, struct.pack("<QII", 1, 0, 0))
            elif opcode in (READDIR, RELEASEDIR):
                self.answer(unique)
            elif opcode not in (FORGET, BATCH_FORGET, INTERRUPT):
                self.answer(unique, error=errno.ENOSYS)

"""Keep a thread, and all threads that it starts, off the network.

MediaPipe reports its usage to Google (its privacy notice says what), from a thread that it starts
with each model, once a minute and when the model is closed. There is no switch for that. So the
thread that creates the models installs a seccomp filter: the Linux kernel then refuses sockets to
this thread and to every thread that it starts, and to no other.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import sys

# From the kernel's headers: linux/audit.h, asm/unistd.h, linux/prctl.h, linux/seccomp.h.
_CALLS = {  # machine: AUDIT_ARCH_..., number of socket(), number of seccomp()
    "x86_64": (0xC000003E, 41, 317),
    "aarch64": (0xC00000B7, 198, 277),
}
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4  # else old kernels slow the thread's code down
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h: load word; jump if equal; return


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("value", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("first", ctypes.POINTER(_Instruction)))


def refuse_sockets() -> bool:
    """Forbid sockets to the calling thread and all threads that it starts from now on.

    This cannot be undone. `socket.socket` raises `PermissionError` in these threads. Programs that
    they start are restricted too, and cannot change the user (`sudo`).

    Returns:
        Whether the restriction is in force. False outside Linux, on CPUs other than x86-64 and
        64-bit Arm, and on kernels without seccomp.
    """
    calls = _CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if calls is None or sys.maxsize < 2**32:
        return False
    architecture, socket, seccomp = calls
    instructions = (_Instruction * 6)(
        _Instruction(_LOAD, 0, 0, 4),  # seccomp_data.arch
        _Instruction(_EQUAL, 0, 3, architecture),
        _Instruction(_LOAD, 0, 0, 0),  # seccomp_data.nr
        _Instruction(_EQUAL, 0, 1, socket),
        _Instruction(_RETURN, 0, 0, _REFUSE),
        _Instruction(_RETURN, 0, 0, _ALLOW),
    )
    program = _Program(len(instructions), instructions)
    libc = ctypes.CDLL(None)
    word = ctypes.c_ulong  # both functions are variadic
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, word(1), word(0), word(0), word(0)):
        return False
    return not libc.syscall(
        ctypes.c_long(seccomp),
        word(_SECCOMP_SET_MODE_FILTER),
        word(_SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        ctypes.byref(program),
    )

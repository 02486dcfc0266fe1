"""What happens at interpreter exit and after a fork. Imported once, by `millpond`."""

from __future__ import annotations

import atexit
import os
import threading

from . import _native

_native.set_main_thread(threading.main_thread().ident or 0)
atexit.register(_native.close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_native.after_fork_in_child)

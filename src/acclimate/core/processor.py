"""The processor's name, as its maker gives it."""

import platform
import sys


def processor_name() -> str:
    """For instance ``AMD EPYC 9R14``; the architecture's name where the system says no more."""
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

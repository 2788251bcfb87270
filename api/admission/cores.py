"""How many cores this process may use."""

import math
import os
from pathlib import Path

# The kernel's documentation: cgroup-v2, "cpu.max"; scheduler/sched-bwc for version 1.
V2 = Path("/sys/fs/cgroup/cpu.max")
V1 = Path("/sys/fs/cgroup/cpu")


def usable_cores() -> int:
    """The cores that the scheduler lets us run on, as far as the container's CPU quota goes; at least one."""
    scheduled = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(scheduled, _quota())))


def _quota() -> float:
    """Cores' worth of processor time; infinite where there is no quota."""
    try:
        quota, period = V2.read_text().split() if V2.exists() else _first_version()
        return math.inf if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _first_version() -> tuple[str, str]:
    return (V1 / "cpu.cfs_quota_us").read_text().strip(), (V1 / "cpu.cfs_period_us").read_text().strip()

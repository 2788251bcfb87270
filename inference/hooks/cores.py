"""How many processor cores this process may really use."""

import os


def usable_cores() -> int:
    """Return the cores that affinity and the container's CPU quota leave, at least one."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    return max(1, min(cores, int(cpu_quota())))


def cpu_quota(root: str = "/sys/fs/cgroup") -> float:
    """Return the cores that the control group allows, infinite ones (a large number) where it does not say."""
    try:
        with open(os.path.join(root, "cpu.max")) as file:  # cgroup v2
            quota, period = file.read().split()
    except (OSError, ValueError):
        quota, period = read(root, "cpu/cpu.cfs_quota_us"), read(root, "cpu/cpu.cfs_period_us")  # cgroup v1
    unlimited = 10**6
    if not quota.isdigit() or not period.isdigit():
        return unlimited
    return int(quota) / int(period)


def read(root: str, name: str) -> str:
    """Return a file's text, 'max' where there is none."""
    try:
        with open(os.path.join(root, name)) as file:
            return file.read().strip()
    except OSError:
        return "max"

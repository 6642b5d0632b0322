"""What `heron doctor` asks of a machine: versions, open files, disk, shared memory, ports, data."""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import socket
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from heron_ray.cli.finding import Finding, judge
from heron_ray.cli.output import size

GIB = 1024**3
OLDEST_PYTHON = (3, 11)
PACKAGES = ("heron-ray", "torch", "ray")
# Ray stops writing objects to a disk that is fuller than this.
FULLEST_DISK = 0.95
LEAST_FREE_BYTES = GIB // 2
COMFORTABLE_FREE_BYTES = 5 * GIB
# Below the first a handful of actors run out of files; the second carries some hundred.
LEAST_FILES, COMFORTABLE_FILES = 1024, 4096
# Ray's default: this share of the memory for its object store, and above the second no more than /dev/shm holds.
OBJECT_STORE_SHARE = 0.3
OBJECT_STORE_DEMAND_BYTES = 10**10
# The service takes the ports of its own Ray from below the first one that the system gives to outgoing connections.
LAST_OWN_PORT = 32_767
LOCAL_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the place itself, no file in it


def look_at_versions() -> Iterator[Finding]:
    """Python, the packages that matter, and whether torch finds a GPU."""
    found = platform.python_version()
    wanted = ".".join(map(str, OLDEST_PYTHON))
    yield judge("python", found, fail=f"use Python {wanted} or newer" if sys.version_info < OLDEST_PYTHON else None)
    for package in PACKAGES:
        try:
            yield judge(package, version(package))
        except PackageNotFoundError:
            yield judge(package, "not installed", fail="install the locked requirements: make setup")
    yield _look_for_cuda()


def _look_for_cuda() -> Finding:
    try:
        import torch
    except ImportError as error:
        return judge("cuda", f"torch cannot be imported: {error}", fail="install the locked requirements: make setup")
    if not torch.cuda.is_available():
        return judge("cuda", "no GPU that torch can use; compute.device must be cpu")
    return judge("cuda", f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}")


def look_at_byte_code() -> Finding:
    """Whether torch lies here compiled: an import does it, unless Python keeps nothing or may not write there."""
    found = importlib.util.find_spec("torch")
    compiled = found and found.origin and Path(importlib.util.cache_from_source(found.origin)).exists()
    message = "kept" if compiled else "none of torch: every process of Ray compiles it anew, some 3 s of processor time"
    folder = sysconfig.get_paths()["purelib"]
    hint = f"compile once: {sys.executable} -m compileall -q {folder}; or unset PYTHONDONTWRITEBYTECODE"
    return judge("byte code", message, warn=None if compiled else hint)


def look_at_open_files() -> Finding:
    """The limit that Ray's processes and open event streams share."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    soft_text, hard_text = ("unlimited" if limit == unlimited else str(limit) for limit in (soft, hard))
    message = f"{soft_text} (can be raised to {hard_text})"
    hint = "raise it before `heron serve`: ulimit -n 65536"
    enough = soft == unlimited
    return judge(
        "open files",
        message,
        fail=None if enough or soft >= LEAST_FILES else hint,
        warn=None if enough or soft >= COMFORTABLE_FILES else hint,
    )


def look_at_disk(name: str, folder: Path) -> Finding:
    """Free space where `folder` is or will be, and whether it can be written."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return judge(
            name, f"{there} cannot be written", fail="choose another folder (--state-dir, TMPDIR), or change its rights"
        )
    disk = psutil.disk_usage(str(there))
    message = f"{size(disk.free)} free at {there}"
    hint = f"free some space on the disk of {there}, or choose another folder (--state-dir, TMPDIR)"
    is_tight = disk.free < COMFORTABLE_FREE_BYTES or disk.free < (1 - FULLEST_DISK) * disk.total
    return judge(name, message, fail=hint if disk.free < LEAST_FREE_BYTES else None, warn=hint if is_tight else None)


def look_at_shared_memory() -> Finding:
    """Whether Ray's object store fits into /dev/shm; where it does not, Ray uses a file on disk, or shrinks it."""
    store = int(min(OBJECT_STORE_SHARE * _memory_bytes(), OBJECT_STORE_DEMAND_BYTES))
    if not SHARED_MEMORY.is_dir():
        return judge("shared memory", "there is none: Ray's object store lies in files", warn="expect a slower object store")
    free = psutil.disk_usage(str(SHARED_MEMORY)).free
    message = f"{size(free)} free in /dev/shm; Ray's object store takes up to {size(store)} of it"
    hint = f"give it more: in Docker --shm-size={-(-store // GIB)}g, else mount -o remount,size={-(-store // GIB)}g /dev/shm"
    return judge("shared memory", message, warn=hint if free < store else None)


def _memory_bytes() -> int:
    """Memory of this machine, or of the container this process is in."""
    total: int = psutil.virtual_memory().total
    try:
        limit = CGROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdecimal() else total


def look_at_port(port: int) -> Finding:
    """Whether the API's port is free; a running service is fine too."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            message = f"{port} on 127.0.0.1 cannot be used: {error.strerror}"
            return judge(
                "port", message, warn="fine if a service answers there; else start it with another: heron serve --port 0"
            )
    return judge("port", f"{port} on 127.0.0.1 is free")


def look_at_port_range() -> Finding:
    """Whether the system may give away the ports that the service's own Ray picks."""
    try:
        first, last = map(int, LOCAL_PORT_RANGE.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return judge("port range", "this system does not tell which ports it gives to outgoing connections")
    message = f"outgoing connections get {first} to {last}"
    hint = f'they may take a port that Ray was about to use: sysctl -w net.ipv4.ip_local_port_range="{LAST_OWN_PORT + 1} 60999"'
    return judge("port range", message, warn=hint if first <= LAST_OWN_PORT else None)


def look_at_data(environment: Mapping[str, str]) -> Finding:
    """The folder below which specs name their files."""
    name = "HERON_DATA_DIR"
    value = environment.get(name)
    if not value:
        return judge(name, "not set; only data sets that are read from files need it")
    if not os.access(value, os.R_OK | os.X_OK) or not Path(value).is_dir():
        return judge(name, f"{value} is not a folder that can be read", fail="set it to the folder that holds your data sets")
    return judge(name, value)

"""Freed memory stays with the process while a run goes on and goes back afterwards; threads share arenas."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PASSES = """
import ctypes, json, resource
import psutil, torch
from heron_ray import allocator

def passes(count):
    "Each frees four activations of 8 MiB."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        activations = [torch.ones(2**21) for _ in range(4)]
        del activations
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / count

resident = lambda: psutil.Process().memory_info().rss
# glibc's own first values, which it raises as it goes, in one process so and in the next otherwise.
for parameter in (allocator.M_MMAP_THRESHOLD, allocator.M_TRIM_THRESHOLD):
    ctypes.CDLL(None).mallopt(parameter, 128 * 1024)
given_back = passes(20)
allocator.keep_freed_memory()
passes(5)
kept, resident_kept = passes(20), resident()
allocator.return_freed_memory()
print(json.dumps({"given_back": given_back, "kept": kept, "returned": resident_kept - resident()}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_pass_takes_no_page_faults_once_memory_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", PASSES], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["given_back"] > 1000
    assert found["kept"] < 10
    assert found["returned"] > 16 * 2**20


ARENAS = """
import ctypes, sys, threading
from heron_ray import allocator

if sys.argv[1] == "shared":
    allocator.share_arenas()
barrier = threading.Barrier(16)
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p

def allocate():
    barrier.wait()
    library.malloc(1000)
    barrier.wait()

threads = [threading.Thread(target=allocate) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library.malloc_stats()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_threads_share_two_arenas_where_they_are_told_to() -> None:
    def arenas(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", ARENAS, how], check=True, capture_output=True, text=True)
        return done.stderr.count("Arena ")

    assert arenas("as they are") > 4
    assert arenas("shared") == 2

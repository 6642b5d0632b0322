"""Freed memory stays with the process while a run goes on, and goes back to the kernel afterwards."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PASSES = """
import json, resource
import psutil, torch
from heron_ray.simulation import freed_memory

def passes(count):
    "Each frees four activations of 8 MiB."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        activations = [torch.ones(2**21) for _ in range(4)]
        del activations
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / count

resident = lambda: psutil.Process().memory_info().rss
passes(5)
given_back = passes(20)
freed_memory.keep_freed_memory()
passes(5)
kept, resident_kept = passes(20), resident()
freed_memory.return_freed_memory()
print(json.dumps({"given_back": given_back, "kept": kept, "returned": resident_kept - resident()}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_pass_takes_no_page_faults_once_memory_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", PASSES], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["given_back"] > 1000, "glibc keeps freed memory by itself: freed_memory.py is not needed any more"
    assert found["kept"] < 10
    assert found["returned"] > 16 * 2**20

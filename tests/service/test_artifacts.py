"""What a real service keeps of an experiment: files that verify, a log, and a fork that ends as the longer run does."""

from __future__ import annotations

import hashlib

import httpx


def test_an_experiment_leaves_files_and_a_log_and_its_fork_is_the_longer_run(service, undisturbed, small_spec):
    short = small_spec()
    # It ends between two evaluations and between two checkpoints.
    id = service.submit({**short, "rounds": 110})
    assert service.wait_for_end(id)["state"] == "SUCCEEDED"
    url = f"{service.url}/v1/experiments/{id}"
    found = {one["name"]: one for one in service.get(id, "/artifacts")["artifacts"]}
    assert set(found) == {
        "checkpoint/manifest.json",
        "checkpoint/state.safetensors",
        "model.safetensors",
        "result.json",
        "spec.yaml",
    }
    for name, told in found.items():
        content = httpx.get(f"{url}/artifacts/{name}", timeout=30).raise_for_status().content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (told["size_bytes"], told["sha256"])
    log = service.get(id, "/logs")
    assert "the run starts after round 0 of 110" in log["text"]
    assert log["complete"] is True

    # Back to the whole length.
    overrides = {"rounds": short["rounds"]}
    fork = httpx.post(f"{url}/fork", json={"overrides": overrides}, timeout=30).raise_for_status().json()["id"]
    page = service.wait_for_end(fork)
    assert page["state"] == "SUCCEEDED", page
    assert (page["forked_from"], page["forked_round"]) == (id, 110)
    assert page["result"]["trajectory_digest"] == undisturbed.result.trajectory_digest
    assert page["result"]["rounds"] == undisturbed.result.rounds

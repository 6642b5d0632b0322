"""The cluster files agree with the code they start, with the lock, and with the schemas that come with Ray."""

from __future__ import annotations

import copy
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from heron_ray.cli.main import heron

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
DOCKERFILE = (CLUSTER / "Dockerfile").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
SECRETS = {"POSTGRES_PASSWORD": "p", "RAY_AUTH_TOKEN": "t"}


def load(name: str) -> list[Any]:
    return list(yaml.safe_load_all((CLUSTER / name).read_text(encoding="utf-8")))


@pytest.fixture
def compose() -> dict[str, Any]:
    (document,) = load("compose.yaml")
    return document


@pytest.fixture
def manifests() -> dict[str, Any]:
    """By kind and name, as in `Deployment/heron-api`."""
    return {f"{document['kind']}/{document['metadata']['name']}": document for document in load("kuberay.yaml")}


def pods(manifests: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The spec of every pod that the manifests make."""
    for document in manifests.values():
        spec = document["spec"]
        groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]] if document["kind"] == "RayCluster" else [spec]
        yield from (group["template"]["spec"] for group in groups if "template" in group)


def commands() -> list[list[str]]:
    """Every `python -m api...` of compose.yaml and kuberay.yaml, as words."""
    found = [service["command"] for service in load("compose.yaml")[0]["services"].values() if "command" in service]
    for document in load("kuberay.yaml"):
        if document["kind"] == "Deployment":
            found += [container["command"] for container in document["spec"]["template"]["spec"]["containers"]]
    words = [shlex.split(command[-1].replace("\\\n", " ")) if command[0] == "bash" else command for command in found]
    return [command[command.index("python") :] for command in words if "python" in command]


def locked(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", LOCK, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("file", sorted(CLUSTER.glob("*.yaml")), ids=lambda file: file.name)
def test_every_file_is_yaml_without_a_registrys_address(file):
    assert all(isinstance(document, dict) for document in yaml.safe_load_all(file.read_text(encoding="utf-8")))
    for image in re.findall(r"image: *(\S+)", file.read_text(encoding="utf-8")):
        assert re.fullmatch(r"([a-z]+/)?[a-z-]+:v?[0-9.]+", image)


def test_api_and_dispatcher_are_started_by_both_files():
    modules = [command[2] for command in commands()]
    assert sorted(modules) == [
        "api.dispatcher",
        "api.dispatcher",
        "api.supervisor.container_api",
        "api.supervisor.container_api",
    ]


@pytest.mark.parametrize("module", ["api.dispatcher", "api.supervisor.container_api"])
def test_every_option_that_is_given_to_a_part_is_one_it_knows(module):
    told = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"--[a-z-]+", told))
    required = set(re.findall(r"--[a-z-]+", re.sub(r"\[[^]]*\]", "", told.partition("\n\n")[0])))
    for command in commands():
        if command[2] == module:
            given = {word.partition("=")[0] for word in command[3:]}
            assert given <= known
            assert required <= given


def test_compose_has_every_part_and_starts_each_when_what_it_needs_is_healthy(compose):
    services = compose["services"]
    plain = {name for name, service in services.items() if "profiles" not in service}
    assert plain == {"postgres", "api", "ray-head", "ray-worker", "dispatcher"}
    assert set(services) - plain == {"prometheus", "grafana"}
    assert [name for name, service in services.items() if "healthcheck" not in service] == []
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services
            assert how == {"condition": "service_healthy"}
    assert set(services["dispatcher"]["depends_on"]) == {"api", "ray-head"}


def test_compose_publishes_the_api_and_the_boards_on_the_loopback_address_and_nothing_else(compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert list(published) == ["api", "grafana"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_compose_mounts_boards_and_configurations_that_exist_where_they_are_looked_for(compose):
    for name in ("prometheus", "grafana"):
        mounts = [volume.split(":") for volume in compose["services"][name]["volumes"] if volume.startswith("../")]
        assert mounts
        assert [source for source, *_ in mounts if not (CLUSTER / source).exists()] == []
        assert all(mode == "ro" for *_, mode in mounts)
    grafana = compose["services"]["grafana"]
    assert any(volume.split(":")[1] == grafana["environment"]["HERON_BOARDS"] for volume in grafana["volumes"])
    provisioned = [file.read_text(encoding="utf-8") for file in (ROOT / "dashboards/grafana/provisioning").rglob("*.yaml")]
    variables = {name for text in provisioned for name in re.findall(r"\$\{(\w+)\}", text)}
    assert variables == {"PROMETHEUS_URL", "HERON_BOARDS"}
    assert variables <= set(grafana["environment"])


def test_prometheus_reads_every_ray_node_at_the_port_where_it_tells(compose):
    config = yaml.safe_load((ROOT / "dashboards" / "prometheus" / "compose.yaml").read_text(encoding="utf-8"))
    ((nodes,),) = [job["dns_sd_configs"] for job in config["scrape_configs"] if "dns_sd_configs" in job]
    starts = {name for name, service in compose["services"].items() if "ray start" in " ".join(service.get("command", []))}
    starts |= {name for name, service in compose["services"].items() if service.get("command", [])[:2] == ["ray", "start"]}
    assert set(nodes["names"]) == starts
    for name in starts:
        assert f"--metrics-export-port={nodes['port']}" in " ".join(compose["services"][name]["command"])


def test_compose_holds_no_secret_and_demands_those_it_needs(compose):
    text = (CLUSTER / "compose.yaml").read_text(encoding="utf-8")
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert uses
        assert all(use.startswith(":?") for use in uses)
    assert compose["services"]["api"]["environment"]["HERON_DATABASE"].startswith("postgresql+psycopg://")


def test_every_node_that_may_hold_a_driver_sees_the_checkpoints(compose, manifests):
    command = next(command for command in commands() if command[2] == "api.dispatcher")
    folder = next(word for word in command if word.startswith("--checkpoints=")).partition("=")[2]
    for name in ("ray-head", "ray-worker", "dispatcher"):
        targets = [volume.split(":")[1] for volume in compose["services"][name]["volumes"]]
        assert any(folder.startswith(f"{target}/") for target in targets), name
    for pod in pods(manifests):
        (container,) = pod["containers"]
        if container["name"] != "api":
            assert any(folder.startswith(f"{mount['mountPath']}/") for mount in container["volumeMounts"]), container["name"]


@pytest.mark.parametrize("missing", [None, *SECRETS])
def test_docker_compose_accepts_the_file_only_with_its_secrets(missing):
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("docker compose is not installed")
    environment = {"PATH": os.environ["PATH"], **{name: value for name, value in SECRETS.items() if name != missing}}
    command = [docker, "compose", "-f", str(CLUSTER / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) == (missing is None), done.stderr


def test_kubernetes_gets_a_ray_cluster_of_the_locked_version(manifests):
    cluster = manifests["RayCluster/heron"]
    assert cluster["apiVersion"] == "ray.io/v1"
    assert cluster["spec"]["rayVersion"] == locked("ray")


def test_rays_autoscaler_reads_from_the_manifest_how_far_the_cluster_may_grow(manifests: dict[str, Any]) -> None:
    """By the code that reads it in the head's pod."""
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    cluster = manifests["RayCluster/heron"]
    assert cluster["spec"]["enableInTreeAutoscaling"]
    assert cluster["spec"]["autoscalerOptions"]["version"] == "v2"
    found = _derive_autoscaling_config_from_ray_cr({**cluster, "metadata": {**cluster["metadata"], "namespace": "default"}})
    head, workers = found["available_node_types"]["headgroup"], found["available_node_types"]["cpu"]
    assert head["resources"]["CPU"] == 0
    assert (workers["min_workers"], workers["max_workers"], found["max_workers"]) == (1, 8, 8)
    assert workers["resources"] == {"CPU": 4, "memory": 8 * 2**30}
    assert found["idle_timeout_minutes"] == 5


def test_every_pod_runs_our_image_as_an_ordinary_user_within_limits(manifests):
    found = list(pods(manifests))
    assert len(found) == 4
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["image"] == "heron-ray:0.1.0"
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert set(container["resources"]) == {"requests", "limits"}


def test_every_mount_has_its_volume_and_every_claim_is_made(manifests):
    for pod in pods(manifests):
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        assert {mount["name"] for container in pod["containers"] for mount in container.get("volumeMounts", [])} == set(volumes)
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or f"PersistentVolumeClaim/{claim}" in manifests


def test_deployments_select_their_own_pods_and_there_is_one_dispatcher(manifests):
    deployments = [document for document in manifests.values() if document["kind"] == "Deployment"]
    for document in deployments:
        assert document["spec"]["selector"]["matchLabels"] == document["spec"]["template"]["metadata"]["labels"]
    dispatcher = manifests["Deployment/heron-dispatcher"]["spec"]
    assert (dispatcher["replicas"], dispatcher["strategy"]) == (1, {"type": "Recreate"})


def test_the_dispatcher_finds_the_rays_service_and_token_by_the_clusters_name(manifests):
    (container,) = manifests["Deployment/heron-dispatcher"]["spec"]["template"]["spec"]["containers"]
    assert "RayCluster/heron" in manifests
    assert set(re.findall(r"address=(\S+)", container["command"][-1])) == {"heron-head-svc:6379"}
    token = next(variable for variable in container["env"] if variable["name"] == "RAY_AUTH_TOKEN")
    assert token["valueFrom"]["secretKeyRef"] == {"name": "heron", "key": "auth_token"}
    assert manifests["RayCluster/heron"]["spec"]["authOptions"] == {"mode": "token"}


def test_on_kubernetes_the_api_stays_on_its_loopback_address(manifests):
    (container,) = manifests["Deployment/heron-api"]["spec"]["template"]["spec"]["containers"]
    assert not [word for word in container["command"] if word.startswith(("--host", "--private"))]
    assert [document for document in manifests.values() if document["kind"] in ("Service", "Ingress")] == []


def test_the_slurm_script_is_bash_and_its_calls_of_heron_are_understood():
    script = CLUSTER / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text(encoding="utf-8")
    calls = [shlex.split(call) for call in re.findall(r"^.*?\bheron ((?:key|serve)[^>&|\n]*)", text, re.MULTILINE)]
    assert [call[0] for call in calls] == ["key", "serve"]
    for verb, *words in calls:
        numbered = ["8000" if word == "$port" else word for word in words]
        found = heron.get_command(click.Context(heron), verb)
        while isinstance(found, click.Group):
            found = found.get_command(click.Context(found), numbered.pop(0))
        found.make_context(verb, numbered)
    assert "RAY_AUTH_MODE=token" in text


def test_rays_own_loader_and_schema_accept_the_file_for_aws():
    from ray.autoscaler._private.util import prepare_config, validate_config

    (config,) = load("ray-up-aws.yaml")
    validate_config(prepare_config(copy.deepcopy(config)))
    workers = config["available_node_types"]["worker"]
    assert workers["min_workers"] == workers["max_workers"] == config["max_workers"]


def test_rays_own_loader_and_schema_accept_the_ray_up_file():
    from ray.autoscaler._private.util import prepare_config, validate_config

    (config,) = load("ray-up.yaml")
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    (machine,) = prepared["available_node_types"].values()
    assert machine["min_workers"] == machine["max_workers"] == len(config["provider"]["worker_ips"])
    with pytest.raises(jsonschema.ValidationError):
        validate_config({**prepared, "no_such_field": 1})


@pytest.mark.parametrize("file", ["ray-up.yaml", "ray-up-aws.yaml"])
def test_the_ray_up_files_ask_for_tokens_on_every_machine(file):
    (config,) = load(file)
    starts = [
        command for name in ("head", "worker") for command in config[f"{name}_start_ray_commands"] if "ray start" in command
    ]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in starts)
    assert "~/.ray/auth_token" in config["file_mounts"]


def stages() -> list[str]:
    return re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]


def test_the_image_is_built_in_stages_and_runs_as_an_ordinary_user():
    assert len(stages()) == 2
    users = re.findall(r"^USER (\S+)", stages()[-1], re.MULTILINE)
    assert users == ["10001"]
    assert f"--uid {users[0]} " in stages()[-1]


def test_the_image_names_no_address_and_installs_only_what_has_a_hash_but_torch_for_cpus():
    assert not re.search(r"https?://", re.sub(r"^#.*$", "", DOCKERFILE, flags=re.MULTILINE))
    installs = re.findall(r"uv pip install ([^;&\n]*)", DOCKERFILE)
    unhashed = [install for install in installs if "--require-hashes" not in install]
    assert [("--torch-backend cpu" in install, "--editable source" in install) for install in unhashed] == [
        (True, False),
        (False, True),
    ]


def test_the_image_for_cpus_leaves_out_torch_and_its_gpu_libraries_and_nothing_else(tmp_path):
    (program,) = re.findall(r"awk '([^']*)'", DOCKERFILE)
    (tmp_path / "requirements.lock").write_text(LOCK, encoding="utf-8")
    kept = subprocess.run(
        ["awk", program, "requirements.lock"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout

    def names(text: str) -> set[str]:
        return set(re.findall(r"^([a-z][\w.-]*)==", text, re.MULTILINE))

    gone = names(LOCK) - names(kept)
    assert {"torch", "torchvision", "triton"} <= gone
    assert all(name.startswith(("nvidia-", "cuda-")) for name in gone - {"torch", "torchvision", "triton"})
    assert len(re.findall(r"^ +--hash=", kept, re.MULTILINE)) >= len(names(kept))
    (pattern,) = re.findall(r"sed -n '([^']*torch[^']*)'", DOCKERFILE)
    pinned = subprocess.run(["sed", "-n", pattern], input=LOCK, capture_output=True, text=True, check=True).stdout.split()
    assert pinned == [f"torch=={locked('torch')}", f"torchvision=={locked('torchvision')}"]


def test_what_the_image_needs_is_in_its_build_context():
    kept = re.findall(r"^!(\S+)$", (CLUSTER / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in kept if not (ROOT / name).exists()] == []
    assert set(kept) >= {"requirements.lock", "pyproject.toml", "README.md", "heron_ray", "api", "tune_spaces"}


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml", "kuberay.yaml", "ray-up.yaml"])
def test_the_docs_say_of_each_file_what_was_executed(file):
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `cluster/{re.escape(file)}` \|", page, re.MULTILINE)


def test_the_docs_name_every_variable_that_compose_takes():
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    taken = set(re.findall(r"\$\{([A-Z_]+)", (CLUSTER / "compose.yaml").read_text(encoding="utf-8")))
    assert [name for name in sorted(taken) if f"`{name}`" not in page] == []

"""Reading a run of this machine: the folder of `heron run --out`, that of `heron download`, or a file of events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from heron_ray.errors import RecordError
from heron_ray.figures import Curve
from heron_ray.reports.record import Attempt, Record, told_beside_series
from heron_ray.spec import read_spec_file

EVENTS, SPEC, RESULT = "events.jsonl", "spec.yaml", "result.json"
MANIFESTS = ("checkpoints/round-*/manifest.json", "round-*/manifest.json", "checkpoint/manifest.json")
_HINT = (
    "name the folder of `heron run --out DIR` or of `heron download ID -o DIR`, or the file of `heron run --events FILE.jsonl`"
)


def is_local(text: str) -> bool:
    """Whether a word names something on this machine, and not an experiment of a service."""
    return "/" in text or text.endswith(".jsonl") or Path(text).exists()


def read_record(path: Path) -> Record:
    """Read a run.

    Of a round that was told twice, because the run was resumed from an earlier checkpoint, the last telling counts; they are
    equal.

    Args:
        path: A folder with `events.jsonl`, `spec.yaml` and `result.json`, or with some of them (any one file of events will
            do), or such a file.

    Raises:
        RecordError: There is no run, or it cannot be read.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise RecordError(f"there is no run at {path}", hint=_HINT)
    return _record(path, list(_events(path)))


def _read_folder(folder: Path) -> Record:
    files = [folder / EVENTS] if (folder / EVENTS).exists() else sorted(folder.glob("*.jsonl"))
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise RecordError(f"{folder} holds several files of events: {names}", hint="name the one that is meant")
    spec = read_spec_file(folder / SPEC) if (folder / SPEC).exists() else None
    result = _json(folder / RESULT) if (folder / RESULT).exists() else None
    if not files and result is None:
        raise RecordError(f"{folder} holds neither a file of events nor {RESULT}", hint=_HINT)
    events = list(_events(files[0])) if files else []
    return _record(folder, events, spec=spec, result=result, provenance=_provenance(folder))


def _record(
    path: Path,
    events: Sequence[Mapping[str, Any]],
    *,
    spec: Mapping[str, Any] | None = None,
    result: Mapping[str, Any] | None = None,
    provenance: Mapping[str, str] | None = None,
) -> Record:
    ends = [event["result"] for event in events if event["kind"] == "finished"]
    ended = result or (ends[-1] if ends else None)
    name = spec["name"] if spec is not None else path.resolve().name.removesuffix(".jsonl")
    starts = [event["after_round"] for event in events if event["kind"] == "started"]
    return Record(
        origin=str(path),
        name=str(name),
        state="UNFINISHED" if ended is None else ended["state"],
        message=(ended or {}).get("message"),
        series=_series(events),
        **told_beside_series(events),
        spec=spec,
        result=ended if ended is not None and "test_accuracy" in ended else None,
        provenance=provenance,
        attempts=[Attempt(after_round=round) for round in starts],
    )


def _series(events: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    points: dict[str, dict[int, float | None]] = {}
    for event in events:
        if event["kind"] == "round_finished":
            for name, value in event["metrics"].items():
                points.setdefault(name, {})[event["round"]] = value
    return {
        name: Curve(rounds=sorted(found), values=[found[round] for round in sorted(found)]) for name, found in points.items()
    }


def _events(file: Path) -> Iterator[dict[str, Any]]:
    """What a file of events holds; a last line that was never finished, because the run was killed, is passed over."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{file} cannot be read: {error}", hint=_HINT) from None
    for number, line in enumerate(lines, start=1):
        try:
            if line:
                event = json.loads(line)
                required = {"round_finished": ("round", "metrics"), "started": ("after_round",), "finished": ("result",)}
                if any(name not in event for name in required.get(event["kind"], ())):
                    raise KeyError(event["kind"])
                yield event
        except (ValueError, KeyError, TypeError):
            if number < len(lines):
                raise RecordError(f"{file}, line {number}, is no event of a run", hint=_HINT) from None


def _provenance(folder: Path) -> Mapping[str, str] | None:
    """That of the newest checkpoint."""
    for pattern in MANIFESTS:
        for manifest in sorted(folder.glob(pattern), reverse=True):
            found = _json(manifest).get("manifest", {}).get("provenance")
            return found if isinstance(found, dict) else None
    return None


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{file} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise RecordError(f"{file} holds no JSON object")
    return value

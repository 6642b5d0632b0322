"""`edge`: simulated devices, links, availability and deadlines, from which a virtual clock is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.relative_path import RelativePath
from heron_ray.spec.section import Section

if TYPE_CHECKING:
    from heron_ray.spec.experiment import ExperimentSpec

DeviceName: TypeAlias = Literal["phone", "single_board_computer", "gateway", "microcontroller", "sensor"]
LinkName: TypeAlias = Literal["ethernet", "broadband", "5g", "lte", "bluetooth_le"]

LONGEST_INTERVAL = 1000
"""Local steps between two uploads, at most, where the clock has to know what each client does when."""


class DeviceShare(Section):
    """A kind of device and how common it is. Figures that are null are those of the profile."""

    profile: DeviceName = Field(description="A named device; docs/edge.md has the figures of each and their sources.")
    share: float = Field(default=1.0, gt=0, le=1e9, description="How common it is, relative to the other devices.")
    flops_per_s: float | None = Field(
        default=None, gt=0, le=1e18, description="FLOP/s, as FLOPs are counted here: matrix products and convolutions."
    )
    memory_bytes: int | None = Field(default=None, ge=1, le=2**50, description="Bytes that training may use.")
    joules_per_flop: float | None = Field(default=None, ge=0, le=1, description="Joules per FLOP.")


class LinkShare(Section):
    """A kind of link and how common it is. Figures that are null are those of the profile."""

    profile: LinkName = Field(description="A named link; docs/edge.md has the figures of each and their sources.")
    share: float = Field(default=1.0, gt=0, le=1e9, description="How common it is, relative to the other links.")
    up_bit_s: float | None = Field(default=None, gt=0, le=1e15, description="Bandwidth to the servers, in bit/s.")
    down_bit_s: float | None = Field(default=None, gt=0, le=1e15, description="Bandwidth from the servers, in bit/s.")
    latency_s: float | None = Field(default=None, ge=0, le=3600, description="One way, in seconds.")
    jitter_s: float | None = Field(
        default=None, ge=0, le=3600, description="Mean of what a message takes beyond the latency (exponential), in seconds."
    )
    loss: float | None = Field(
        default=None, ge=0, le=0.9, description="Share of packets that are lost and sent again until they arrive."
    )


class MixturePopulation(Section):
    """Each client draws a device and, independently of it, a link from named profiles."""

    kind: Literal["mixture"] = Field(description="Devices and links drawn by their shares from named profiles.")
    devices: tuple[DeviceShare, ...] = Field(min_length=1, max_length=50, description="The devices there are.")
    links: tuple[LinkShare, ...] = Field(min_length=1, max_length=50, description="The links there are.")


class CsvPopulation(Section):
    """Each client draws a line of a CSV file, which describes a device together with its link."""

    kind: Literal["csv"] = Field(description="Devices with their links, one a line, in a CSV file below HERON_DATA_DIR.")
    path: RelativePath = Field(
        description="The file, below the folder that HERON_DATA_DIR names; docs/edge.md has the columns."
    )


PopulationSpec: TypeAlias = Annotated[MixturePopulation | CsvPopulation, Field(discriminator="kind")]


class DiurnalAvailability(Section):
    """A client is there for a share of each day. Its day begins at a time of its own, drawn once per run."""

    kind: Literal["diurnal"] = Field(
        description="Each client is available for the same share of each day, from its own hour on."
    )
    rounds_per_day: int = Field(default=24, ge=1, le=1_000_000, description="Rounds in a day.")
    share: float = Field(default=0.5, gt=0, le=1, description="Share of the day for which a client is available.")


class CsvAvailability(Section):
    """Each client draws a line of a file; its n-th character says whether the client is there in the n-th round, and so on."""

    kind: Literal["csv"] = Field(description="Patterns of 0 and 1, one a line, in a file below HERON_DATA_DIR.")
    path: RelativePath = Field(description="The file, below the folder that HERON_DATA_DIR names.")


AvailabilitySpec: TypeAlias = Annotated[DiurnalAvailability | CsvAvailability, Field(discriminator="kind")]


class BufferSpec(Section):
    """Aggregation whenever K updates have arrived, whoever sent them (FedBuff, arXiv 2106.06639); clients work on meanwhile."""

    size: int = Field(ge=1, le=10_000_000, description="Updates K with which a round ends; they are joined.")
    staleness: int = Field(
        default=10, ge=0, le=1_000_000, description="Rounds that an update may have taken; an older one is discarded."
    )
    weight: Literal["inverse_sqrt", "constant"] = Field(
        default="inverse_sqrt",
        description="What an update of s rounds ago is multiplied by. inverse_sqrt: 1 / sqrt(1 + s). constant: 1.",
    )


class EdgeSpec(Section):
    """The clients' hardware and what may happen to clients in a round. Time is virtual: this machine's speed plays no part."""

    population: PopulationSpec = Field(description="Which device and which link each client has.")
    server_flops_per_s: float = Field(
        default=8.1e12, gt=0, le=1e18, description="FLOP/s of the main server. Default: single precision on an NVIDIA T4."
    )
    availability: AvailabilitySpec | None = Field(
        default=None, description="Which clients can be sampled in which round. null: all, always."
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Probability that a sampled client vanishes in the middle of the round."
    )
    deadline_s: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="Virtual seconds after which a round takes no more updates; late ones are dropped. null: it waits for all.",
    )
    oversample: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Clients sampled beyond the cohort; the round ends when as many as the cohort have finished.",
    )
    buffer: BufferSpec | None = Field(
        default=None,
        exclude_if=lambda buffer: buffer is None,
        description="Joins updates as they arrive instead of round by round; the cohort is how many clients are at work at a "
        "time. null: a round's updates are joined at its end, late ones never.",
    )

    @property
    def cuts_clients(self) -> bool:
        """Whether a sampled client may end its round without an update."""
        return self.dropout > 0 or self.deadline_s is not None or self.oversample > 0 or self.buffer is not None

    def fault(self, spec: ExperimentSpec) -> tuple[str, str] | None:
        """Which field contradicts the rest of the spec, and why; None where all agrees."""
        sampled = spec.clients.cohort + self.oversample
        if sampled > spec.clients.count:
            return (
                "edge.oversample",
                f"{sampled} clients cannot be sampled from clients.count={spec.clients.count}: sample fewer",
            )
        interval = min(getattr(spec.method, "upload_every", 1), spec.clients.local_steps)
        if interval > LONGEST_INTERVAL:
            return (
                "method.upload_every",
                f"{interval} local steps between two uploads: with edge there may be {LONGEST_INTERVAL} at most",
            )
        if (self.cuts_clients or self.availability is not None) and spec.method.kind == "ho_sfl":
            return (
                "edge",
                "ho_sfl's clients wait for one another in every step and cannot lose one: "
                "leave out availability, dropout, deadline_s and oversample",
            )
        if (self.cuts_clients or self.availability is not None) and spec.aggregation.fault(1) is not None:
            return (
                "aggregation.kind",
                f"{spec.aggregation.kind} needs more updates than a round may bring with edge.availability, dropout, "
                "deadline_s, oversample or buffer: use mean or median",
            )
        return self._buffer_fault(spec)

    def _buffer_fault(self, spec: ExperimentSpec) -> tuple[str, str] | None:
        """What does not go with clients that work on across the ends of rounds."""
        if self.buffer is None:
            return None
        if self.buffer.size > spec.clients.cohort:
            return (
                "edge.buffer.size",
                f"{self.buffer.size} updates never come together where {spec.clients.cohort} clients are at work at a time: "
                "use a smaller buffer, or a larger clients.per_round",
            )
        for name in ("deadline_s", "oversample"):
            if getattr(self, name):
                return f"edge.{name}", "with edge.buffer a round ends with the K-th update: leave it out, or the buffer"
        if (reason := spec.method.bound_to_rounds()) is not None:
            return "edge.buffer", f"{spec.method.kind}'s clients cannot work on across the end of a round: {reason}; use null"
        if spec.privacy is not None:
            return "privacy", "epsilon is accounted for by rounds, and with edge.buffer updates come in later ones: use null"
        if spec.attack is not None and spec.attack.colludes and "smashed" not in spec.attack.paths():
            return (
                "attack.kind",
                "its attackers know all updates of their round, and with edge.buffer these come in different rounds: "
                "use another attack, such as sign_flip",
            )
        return None

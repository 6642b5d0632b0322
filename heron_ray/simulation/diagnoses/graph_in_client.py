"""A client that trains by forward passes alone, and builds an autograd graph all the same."""

from __future__ import annotations

from typing import ClassVar

from heron_ray.simulation.diagnoses.signature import Finding, Seen, Signature


class GraphInClient(Signature):
    """The tracked round of a zeroth-order client saved tensors for a backward pass that never comes.

    The round is the one that every run tracks for its costs: the method's own code on zeros. A graph that gets as far as the
    loss is no matter of diagnosis: torch refuses to step on it.
    """

    name: ClassVar[str] = "graph_in_client"

    def observe(self, seen: Seen) -> Finding | None:
        """In the first round: the client is the same in all of them."""
        saved = self.run.saved_bytes
        if not self.run.spec.method.probes_clients or not saved:
            return None
        return Finding(
            message=(
                f"{self.run.spec.method.kind}'s clients take no gradients, yet autograd saves {saved:,} bytes in their round"
            ),
            advice=(
                "Some layer of the front model or the auxiliary head works on tensors that require gradients: keep its tensors "
                "as parameters or buffers of the module, and do without torch.enable_grad and requires_grad_ in its forward "
                "pass. heron profile names what the client's peak memory is made of (activation_cache is what a graph holds)"
            ),
            figures={"saved_bytes": saved, "first_seen": seen.round},
        )

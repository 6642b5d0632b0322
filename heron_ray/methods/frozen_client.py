"""The control: clients keep their initial front model; only the main server is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from heron_ray.methods.method import Client, ClientRound, ClientUpdate, Fate, Method, Upload, is_upload_step
from heron_ray.models.split import Part
from heron_ray.spec.method import FrozenClientMethod


class FrozenClient(Method[FrozenClientMethod]):
    """Per client and round:

        for step in 1..h, every k-th: upload (front(x), y)

    Nothing is trained on the client, so no model travels and no auxiliary head is needed. What a method gains over this
    is what training the client is worth. Batch normalisation in a frozen front model uses its initial running statistics: it
    leaves values as they are.
    """  # noqa: D415 - the summary line introduces the box

    stacks: ClassVar[bool] = True
    parts: ClassVar[Mapping[Part, Fate]] = {"front": Fate.FIXED}

    def client_round(self, client: Client) -> ClientRound:
        """The box above."""
        client.model.front.eval()
        for step in range(client.steps):
            if is_upload_step(step, self.spec.upload_every):
                x, y = client.batch(step)
                yield Upload(z=client.model.front(x), y=y)
                del x, y  # before the next batch comes
        return ClientUpdate()

import pytest
import torch

from heron_ray.models import SplitModel, build_model
from heron_ray.spec.model import LinearAuxiliary, MlpAuxiliary, MlpModel


def build(seed: int = 0, device: str = "cpu", **fields: object) -> SplitModel:
    spec = MlpModel(kind="mlp", **{"front": (8, 6), "back": (5,), "auxiliary": LinearAuxiliary(kind="linear"), **fields})  # type: ignore[arg-type]
    return build_model(spec, input_shape=(10,), classes=3, seed=seed, device=device)


def widths(model: SplitModel) -> tuple[list[int], list[int], list[int]]:
    front, auxiliary, back = (
        [layer.out_features for layer in part if isinstance(layer, torch.nn.Linear)]
        for part in (model.front, model.auxiliary, model.back)
    )
    return front, auxiliary, back


def test_the_layers_are_those_of_the_spec() -> None:
    assert widths(build()) == ([8, 6], [3], [5, 3])
    assert widths(build(auxiliary=MlpAuxiliary(kind="mlp", widths=(7, 4)))) == ([8, 6], [7, 4, 3], [5, 3])


@pytest.mark.parametrize(("cut", "front", "back"), [(1, [8], [6, 5, 3]), (2, [8, 6], [5, 3]), (3, [8, 6, 5], [3])])
def test_the_cut_moves_layers_between_client_and_server(cut: int, front: list[int], back: list[int]) -> None:
    model = build(cut=cut)
    assert widths(model) == (front, [3], back)
    z = model.front(torch.ones(4, 10))
    assert z.shape == (4, front[-1])
    assert model.back(z).shape == model.auxiliary(z).shape == (4, 3)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = build(seed=3)
    torch.manual_seed(2)
    second, other = build(seed=3), build(seed=4)
    for one, same, different in zip(first.front.parameters(), second.front.parameters(), other.front.parameters(), strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, different)


def test_a_meta_model_has_shapes_and_no_values() -> None:
    assert build(device="meta").front(torch.empty(2, 10, device="meta")).shape == (2, 6)

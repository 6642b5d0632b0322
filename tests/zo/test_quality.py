"""How good an estimate is: the expected values of the formulas, values by hand, and a diagnosis that leaves no trace."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from heron_ray.seeds import Purpose, derive
from heron_ray.spec.method import ZerothOrderSpec
from heron_ray.vectors import FlatVector
from heron_ray.zo import DirectionStream, ZerothOrderEstimator, estimator_quality

LAWS = ["sphere", "gaussian", "rademacher"]
DIFFERENCES = ["forward", "central"]
SERIES = ["estimate_cosine", "estimate_relative_error", "probe_signal_to_noise"]


class Quadratic(nn.Module):
    """Per sample (theta - x_i)^T A (theta - x_i) / 2, A diagonal: central differences of it are exact."""

    def __init__(self, size: int, batch: int = 4) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(1)
        self.a = torch.rand(size, generator=draw) + 0.5
        self.x = torch.randn(batch, size, generator=draw)
        self.theta = nn.Parameter(torch.randn(size, generator=draw))

    def forward(self) -> Tensor:
        return ((self.theta - self.x).square() @ self.a) / 2


class Linear(nn.Module):
    """Per sample x_i^T theta, so that the difference quotient along u is x_i^T u whatever mu is."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x
        self.theta = nn.Parameter(torch.zeros(x.shape[1]))

    def forward(self) -> Tensor:
        return self.x @ self.theta


class Network(nn.Module):
    """Batch normalisation between two layers, and one parameter that the loss does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(2)
        self.layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))
        self.unused = nn.Parameter(torch.ones(2))
        for parameter in self.layers.parameters():
            parameter.data.normal_(generator=draw)
        self.x, self.y = torch.randn(16, 1, 4, 4, generator=draw), torch.randint(3, (16,), generator=draw)

    def forward(self) -> Tensor:
        return functional.cross_entropy(self.layers(self.x), self.y, reduction="none")


def seeds(count: int, step: int = 0) -> list[int]:
    return [derive(3, Purpose.DIRECTION, 0, 0, step, probe) for probe in range(count)]


def mean_squares(law: str, *, size: int, probes: int, repeats: int) -> tuple[float, float]:
    """Mean of cosine^2 and of relative error^2 over estimates from different seeds."""
    model = Quadratic(size)
    vector = FlatVector({"front": model})
    spec = ZerothOrderSpec(mu=0.05, probes=probes, direction=law, difference="central")
    found = [estimator_quality(spec, vector, model, seeds(probes, step)) for step in range(repeats)]
    assert all(list(values) == SERIES for values in found)
    cosines, errors = ([values[name] for values in found] for name in SERIES[:2])
    return sum(c**2 for c in cosines) / repeats, sum(e**2 for e in errors) / repeats


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("probes", "repeats"), [(1, 500), (16, 60), (100, 30)])
def test_cosine_and_relative_error_go_with_the_root_of_probes_over_parameters(law: str, probes: int, repeats: int) -> None:
    size = 200
    cosine, error = mean_squares(law, size=size, probes=probes, repeats=repeats)
    extra = 1 if law == "gaussian" else -1
    tolerance = 3 * math.sqrt(2 / (probes * repeats))  # three standard errors of a mean of squared normal numbers
    assert cosine == pytest.approx(probes / (probes + size - 1), rel=tolerance)
    assert error == pytest.approx((size + extra) / probes, rel=tolerance)


@pytest.mark.parametrize(("law", "squared_error"), [("sphere", 2.0), ("gaussian", 4.0), ("rademacher", 2.0)])
def test_the_relative_error_of_one_probe_in_three_dimensions_tells_the_laws_apart(law: str, squared_error: float) -> None:
    assert mean_squares(law, size=3, probes=1, repeats=1500)[1] == pytest.approx(squared_error, rel=0.15)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("difference", DIFFERENCES)
def test_the_estimate_judged_is_the_one_training_would_use(law: str, difference: str) -> None:
    model = Network().eval()
    vector = FlatVector({"front": model})
    spec = ZerothOrderSpec(mu=1e-2, probes=5, direction=law, difference=difference)
    values = estimator_quality(spec, vector, model, seeds(5))
    estimate = ZerothOrderEstimator(spec, vector).estimate(lambda: model().mean(), model().mean(), seeds(5))
    gradient = vector.gradient().zero_()
    model().mean().backward()
    assert values["estimate_cosine"] == pytest.approx(float(functional.cosine_similarity(estimate, gradient, dim=0)), rel=1e-4)
    assert values["estimate_relative_error"] == pytest.approx(float((estimate - gradient).norm() / gradient.norm()), rel=1e-4)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("difference", DIFFERENCES)
def test_signal_to_noise_is_the_squared_mean_over_the_variance_of_the_mean(law: str, difference: str) -> None:
    x = torch.randn(12, 20, generator=torch.Generator().manual_seed(5)) + 0.2
    model = Linear(x)
    expected = []
    for seed in seeds(7):
        u = DirectionStream(law, seed, torch.device("cpu")).fill(torch.empty(20))
        quotients = x @ (u / u.norm() if law == "sphere" else u)
        expected.append(float(quotients.mean() ** 2 / (quotients.var() / 12)))
    spec = ZerothOrderSpec(mu=0.5, probes=7, direction=law, difference=difference)
    values = estimator_quality(spec, FlatVector({"front": model}), model, seeds(7))
    assert values["probe_signal_to_noise"] == pytest.approx(sum(expected) / 7, rel=1e-4)


@pytest.mark.parametrize("mean", [0.0, 2.0])
def test_signal_to_noise_is_about_one_without_a_signal_and_grows_with_it(mean: float) -> None:
    size, batch, draw, found = 10, 16, torch.Generator().manual_seed(6), []
    for step in range(600):
        model = Linear(torch.randn(batch, size, generator=draw) + mean * torch.eye(size)[0])
        spec = ZerothOrderSpec(mu=0.5, direction="gaussian")
        found.append(estimator_quality(spec, FlatVector({"front": model}), model, seeds(1, step))["probe_signal_to_noise"])
    share = 1 / size  # of the squared length of u that lies along the mean gradient, on average
    expected = (batch - 1) / (batch - 3) * (1 + batch * mean**2 * share)
    assert sum(found) / len(found) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("difference", DIFFERENCES)
@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("replay", [False, True])
def test_nothing_is_left_behind(difference: str, first_order: bool, replay: bool) -> None:
    model = Network().train()
    vector = FlatVector({"front": model})
    if first_order:
        vector.gradient().fill_(7.0)
    vector.buffer("direction").fill_(8.0)
    parameters = list(model.parameters())
    parameters[1].requires_grad_(True)
    flags = [parameter.requires_grad for parameter in parameters]
    gradients = [parameter.grad for parameter in parameters]
    names, state = list(vector.buffers), vector.state.clone()
    generator_state = torch.get_rng_state()
    spec = ZerothOrderSpec(probes=50, difference=difference, replay=replay)
    estimator_quality(spec, vector, model, seeds(50))
    assert torch.equal(vector.state, state)
    assert [parameter.requires_grad for parameter in parameters] == flags
    assert all(now is before for now, before in zip((p.grad for p in parameters), gradients, strict=True))
    assert list(vector.buffers) == names
    assert all((buffer == {"gradients": 7.0, "direction": 8.0}[name]).all() for name, buffer in vector.buffers.items())
    assert model.layers[1].track_running_stats
    assert model.layers[1].num_batches_tracked == 0
    assert torch.equal(torch.get_rng_state(), generator_state)
    model()
    assert not torch.equal(vector.state, state)  # a forward pass of training does move the running statistics


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_an_error_on_the_way_leaves_nothing_behind_either(calls: int) -> None:
    model, left = Network(), calls
    vector = FlatVector({"front": model})
    state = vector.state.clone()

    def losses() -> Tensor:
        nonlocal left
        left -= 1
        if not left:
            raise OSError("no more data")
        return model()

    with pytest.raises(OSError, match="no more data"):
        estimator_quality(ZerothOrderSpec(), vector, losses, seeds(1))
    assert torch.equal(vector.state, state)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert vector.buffers == {}
    assert model.layers[1].track_running_stats


@pytest.mark.parametrize("replay", [False, True])
def test_a_step_under_way_goes_on_as_if_nothing_had_happened(replay: bool) -> None:
    estimates = []
    for judged in (False, True):
        model = Network()
        vector = FlatVector({"front": model})
        spec = ZerothOrderSpec(probes=3, replay=replay)
        estimator = ZerothOrderEstimator(spec, vector)
        coefficients = estimator.probe(lambda model=model: model().mean(), model().mean(), seeds(3))
        if judged:
            estimator_quality(ZerothOrderSpec(probes=9, replay=not replay), vector, model, seeds(9, step=1))
        estimates.append(torch.cat([piece.clone() for _, piece in estimator.gradient(seeds(3), coefficients)]))
    assert torch.equal(*estimates)


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize(("difference", "passes"), [("forward", 6), ("central", 10)])
def test_only_the_true_gradient_builds_a_graph(difference: str, passes: int, first_order: bool) -> None:
    model, graphs = Network(), []
    vector = FlatVector({"front": model})
    if first_order:
        vector.gradient()

    def losses() -> Tensor:
        found = model()
        graphs.append(found.requires_grad)
        return found

    with torch.no_grad():
        estimator_quality(ZerothOrderSpec(probes=5, difference=difference), vector, losses, seeds(5))
    assert graphs == [True] + [False] * passes


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("difference", DIFFERENCES)
def test_the_same_seeds_give_the_same_bits_and_others_do_not(law: str, difference: str) -> None:
    model = Network()
    vector = FlatVector({"front": model})

    def judge(step: int, *, replay: bool) -> dict[str, float]:
        spec = ZerothOrderSpec(probes=4, direction=law, difference=difference, replay=replay)
        return estimator_quality(spec, vector, model, seeds(4, step))

    first = judge(0, replay=True)
    torch.randn(3)  # global randomness is not involved
    assert judge(0, replay=True) == judge(0, replay=False) == first
    assert all(value != first[name] for name, value in judge(1, replay=True).items())


def judge(
    losses: Callable[[Tensor], Tensor], theta: float = 0.0, difference: str = "central", mu: float = 2.0**-5
) -> dict[str, float]:
    model = nn.Linear(1, 5, bias=False)
    vector = FlatVector({"front": model})
    vector.data.fill_(theta)
    spec = ZerothOrderSpec(mu=mu, difference=difference, direction="rademacher")
    return estimator_quality(spec, vector, lambda: losses(model.weight.flatten()), seeds(1))


def test_a_flat_loss_has_no_direction_no_error_and_no_signal() -> None:
    assert judge(lambda theta: 0 * theta + 3) == dict.fromkeys(SERIES, 0.0)
    assert judge(lambda theta: 0 * theta) == dict.fromkeys(SERIES, 0.0)


def test_an_estimate_where_the_gradient_is_zero_is_all_error() -> None:
    values = judge(torch.square, difference="forward")
    assert values["estimate_cosine"] == 0
    assert values["estimate_relative_error"] == 1
    assert judge(torch.square)["estimate_relative_error"] == 0  # central differences see the symmetry


def test_a_single_sample_shows_no_signal_to_noise() -> None:
    values = judge(lambda theta: theta.sum().reshape(1), theta=1.0)
    assert values["probe_signal_to_noise"] == 0
    assert values["estimate_cosine"] > 0


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_without_spread_between_samples_the_last_bit_of_a_loss_bounds_signal_to_noise(difference: str) -> None:
    mu, batch = 2.0**-5, 8
    values = judge(lambda theta: (3 + theta[0]).expand(batch), theta=1.0, difference=difference, mu=mu)
    width = mu if difference == "forward" else 2 * mu
    unit = 2.0**-23 * 4
    assert values["probe_signal_to_noise"] == pytest.approx((width * batch / unit) ** 2, rel=0.04)  # a loss is 4 or 4 ± mu


def test_losses_of_any_size_give_finite_values() -> None:
    for scale in (1e-42, 1e-20, 1.0, 1e20, 1e37):
        for difference in DIFFERENCES:
            values = judge(lambda theta, scale=scale: scale * (theta.square() + theta), theta=1.0, difference=difference)
            assert all(math.isfinite(value) for value in values.values()), (scale, difference)


def test_every_probe_takes_one_seed() -> None:
    model = Network()
    with pytest.raises(ValueError, match="3 seeds for 4 probes"):
        estimator_quality(ZerothOrderSpec(probes=4), FlatVector({"front": model}), model, seeds(3))

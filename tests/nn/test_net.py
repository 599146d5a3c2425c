"""Networks with effects: what is estimated, what is kept, what goes on."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

torch = pytest.importorskip("torch")

from bead_sklearn import BinaryClassifier  # noqa: E402
from bead_sklearn.effects import RandomFactor  # noqa: E402
from bead_sklearn.effects._covariance import full_covariance  # noqa: E402
from bead_sklearn.families import (  # noqa: E402
    Bernoulli,
    BernoulliProbit,
    ConditionalLogit,
    CumulativeLogit,
    LogNormal,
    MultinomialLogit,
    Normal,
    OrderedBeta,
    TruncatedNormal,
)
from bead_sklearn.nn import HeldOut, MixedEffectsNet  # noqa: E402
from bead_sklearn.nn._data import JudgmentBatches, JudgmentDataset  # noqa: E402
from bead_sklearn.nn._intercepts import (  # noqa: E402
    has_single_effects,
    laplace_single_effects,
)
from bead_sklearn.nn._marginal import (  # noqa: E402
    EffectState,
    _objective,
    marginal_log_likelihood,
)
from bead_sklearn.nn._profile import profile  # noqa: E402
from bead_sklearn.solvers import (  # noqa: E402
    DenseBlock,
    Design,
    SolverOptions,
    fit_mixed_model,
)

FAST = {"lr": 0.02, "max_epochs": 12, "random_state": 0}


class Linear(torch.nn.Module):
    """The fixed part as a linear layer, its input as the features."""

    def __init__(self, n_features=4, n_outputs=1):
        super().__init__()
        self.n_features = n_features
        self.layer = torch.nn.Linear(n_features, n_outputs)

    def forward(self, x):
        return self.layer(x), x


class Dropped(Linear):
    """A network whose training depends on the seed of dropout."""

    def forward(self, x):
        x = torch.nn.functional.dropout(x, 0.2, self.training)
        return self.layer(x), x


def simulate(seed=0, n_groups=50, n_items=40, sd=1.0):
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(n_items, 4))
    groups = np.repeat(np.arange(n_groups), n_items)
    item = np.tile(np.arange(n_items), n_groups)
    u = rng.normal(size=n_groups)
    u = sd * (u - u.mean()) / u.std()
    eta = items[item] @ rng.normal(size=4) + u[groups]
    y = (rng.uniform(size=len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)
    return {"x": items[item].astype("float32"), "groups": groups}, y, u, item


def problem(family, seed=0):
    """Rows of 30 levels with responses of a family."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(30), 8)
    n, k = len(codes), family.n_outputs
    f = 0.7 * rng.normal(size=(n, k)).astype("float32").astype(float)
    u = rng.normal(size=(30, k))
    # What all alternatives share changes no choice.
    z = np.ones((n, 1)) if family.sets is None else rng.normal(size=(n, 1))
    eta = f + z * u[codes]
    shaped = eta if family.has_output_axis else eta[:, 0]
    y = family.simulate(shaped, np.random.RandomState(seed))
    structure = full_covariance(np.ones(k))
    factor = RandomFactor("g", codes, 30, z, structure, ("i",) * k)
    return (f if family.has_output_axis else f[:, 0]), y, (factor,)


FAMILIES = [
    Bernoulli(),
    Normal(0.7),
    CumulativeLogit(4).with_parameters(np.array([-1.0, 0.0, 0.3])),
    MultinomialLogit(3),
    ConditionalLogit(np.repeat(np.arange(60), 4)),
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_marginal_gradient_is_that_of_the_marginal_likelihood(family):
    f, y, factors = problem(family)
    k = factors[0].size
    theta = full_covariance(np.ones(k)).from_sds(np.full(k, 0.8))
    state = EffectState(family, {"g": theta})
    weights = np.ones(len(factors[0].codes))

    def value(f):
        return marginal_log_likelihood(f, y, weights, factors, state)

    at = torch.tensor(f, requires_grad=True)
    value(at).backward()
    direction = np.random.default_rng(1).normal(size=f.shape)
    step = 1e-4
    up, down = (float(value(torch.tensor(f + s * direction))) for s in (step, -step))
    found = float((at.grad.numpy() * direction).sum())
    assert found == pytest.approx((up - down) / (2 * step), rel=1e-5)


SINGLE = [
    *FAMILIES[:3],
    BernoulliProbit(),
    TruncatedNormal(0.0, 1.0, sigma=0.5),
    OrderedBeta(),
    LogNormal(0.5),
]


@pytest.mark.parametrize("family", SINGLE, ids=lambda family: family.name)
def test_single_effects_are_as_by_the_solvers(family):
    f, y, factors = problem(family)
    weights = np.random.default_rng(3).integers(1, 4, len(f)).astype(float)
    state = EffectState(family, {"g": np.array([1.3])})
    assert has_single_effects(factors, family)
    found = laplace_single_effects(
        f, y, weights, 1.3 * factors[0].z[:, 0], factors[0].codes, family
    )
    assert found is not None
    objective = _objective(f, y, weights, factors, family)
    value, *_ = objective(np.zeros(0), state.theta["g"], family.parameters)
    assert found[0] == pytest.approx(value, abs=1e-7)
    assert np.allclose(found[1], objective.rho, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_epoch_end_step_ends_at_the_solver_s_maximum(family):
    f, y, factors = problem(family)
    k = factors[0].size
    weights = np.ones(len(factors[0].codes))
    theta = full_covariance(np.ones(k)).from_sds(np.full(k, 0.5))
    state, intercept = EffectState(family, {"g": theta}), 0.0
    for _ in range(60):
        step = profile(f + intercept, y, weights, factors, state)
        state = step.state
        if len(step.intercept):
            intercept = intercept + (
                step.intercept if family.has_output_axis else step.intercept[0]
            )
    is_normal = family.name == "normal"
    design = Design(
        len(weights),
        DenseBlock(np.ones((len(weights), int(family.has_intercept)))),
        factors=factors,
        n_outputs=family.n_outputs,
        sets=family.sets,
        offset=None if is_normal else f.ravel(),
    )
    fit = fit_mixed_model(
        design, family, y - f if is_normal else y, weights, SolverOptions()
    )
    structure = factors[0].structure
    expected = structure.factor(fit.sigma * fit.theta)
    found = structure.factor(state.theta["g"])
    assert np.allclose(found @ found.T, expected @ expected.T, atol=5e-3)
    assert step.log_likelihood == pytest.approx(fit.log_likelihood, abs=2e-3)
    if is_normal:
        assert state.family.sigma == pytest.approx(fit.sigma, rel=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_effects_train_as_well_as_the_frozen_solver_s(seed):
    X, y, u, _ = simulate(seed)
    net = MixedEffectsNet(Linear, **FAST).fit(X, y)
    assert net.kind_ == "marginal"
    model = BinaryClassifier(alpha=0.0).fit(X["x"], y, groups=X["groups"])
    solver = model.effects_["groups"].modes[:, 0]
    found = net.effects_of("groups")[:, 0]
    by_net, by_solver = (np.corrcoef(e, u)[0, 1] for e in (found, solver))
    assert by_net > by_solver - 0.02
    sd = np.sqrt(net.variance_history_[-1]["groups"][0, 0])
    assert sd == pytest.approx(np.sqrt(model.variance_components_[0].variance), rel=0.1)
    assert len(net.variance_history_) == len(net.history)


def test_crossed_effects_are_trained_jointly():
    X, y, u, item = simulate(2)
    rng = np.random.default_rng(2)
    v = rng.normal(size=40)
    y = (rng.uniform(size=len(y)) < 1 / (1 + np.exp(-u[X["groups"]] - v[item]))) * 1.0
    effects = {"groups": "intercepts", "item": "intercepts"}
    X = {**X, "item": item}
    net = MixedEffectsNet(Linear, effects=effects, **FAST).fit(X, y)
    assert net.kind_ == "joint"
    assert np.corrcoef(net.effects_of("groups")[:, 0], u)[0, 1] > 0.9
    assert np.corrcoef(net.effects_of("item")[:, 0], v)[0, 1] > 0.9
    for name in effects:
        variance = net.variance_history_[-1][name][0, 0]
        assert variance == pytest.approx(1.0, abs=0.5)


def reversal(seed=0):
    """Half of the participants judge by x, the others by -x."""
    rng = np.random.default_rng(seed)
    sign = np.repeat([1.0, -1.0], 15)
    groups = np.repeat(np.arange(30), 50)
    x = rng.normal(size=(len(groups), 4)).astype("float32")
    y = (sign[groups] * x[:, 0] > 0).astype(float)
    test = rng.uniform(size=len(y)) < 0.25
    parts = [({"x": x[m], "groups": groups[m]}, y[m]) for m in (~test, test)]
    return parts


def accuracy(net, X, y):
    return np.mean((net.predict(X) > 0.5) == y)


def test_slopes_learn_what_the_fixed_part_cannot_express():
    (X, y), (X_test, y_test) = reversal()
    options = {**FAST, "max_epochs": 20, "prior_variance": 9.0}
    fixed = MixedEffectsNet(Linear, effects=None, **options).fit(X, y)
    assert (fixed.kind_, accuracy(fixed, X_test, y_test) < 0.62) == ("plain", True)
    slopes = MixedEffectsNet(Linear, effects="slopes", **options).fit(X, y)
    assert slopes.kind_ == "joint"
    assert accuracy(slopes, X_test, y_test) > 0.9
    # A new participant has no slopes.
    assert accuracy(slopes, {"x": X_test["x"]}, y_test) < 0.62


def test_low_rank_slopes_learn_it_too():
    (X, y), (X_test, y_test) = reversal()
    options = {**FAST, "max_epochs": 40, "patience": 8, "prior_variance": 9.0}
    net = MixedEffectsNet(Linear, effects="slopes", rank=2, **options).fit(X, y)
    assert net.tables_.get("groups").table.size == 3
    assert accuracy(net, X_test, y_test) > 0.9


def test_seeds_are_local_and_decide_everything():
    X, y, _, _ = simulate(n_groups=15)
    torch.manual_seed(5)
    before = torch.get_rng_state().clone()
    numbers = np.random.get_state()[1].copy()  # noqa: NPY002
    first = MixedEffectsNet(Dropped, **FAST).fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numbers)  # noqa: NPY002
    torch.manual_seed(6)
    again = clone(first).fit(X, y)
    other = clone(first).set_params(random_state=1).fit(X, y)
    assert np.array_equal(first.predict_eta(X), again.predict_eta(X))
    assert not np.array_equal(first.predict_eta(X), other.predict_eta(X))


def test_pickle_gives_the_same_predictions():
    X, y, _, _ = simulate(n_groups=15)
    net = MixedEffectsNet(Linear, **{**FAST, "max_epochs": 2}).fit(X, y)
    copy = pickle.loads(pickle.dumps(net))
    assert np.array_equal(net.predict_proba(X), copy.predict_proba(X))


@pytest.mark.filterwarnings("ignore::skorch.exceptions.DeviceWarning")
def test_a_net_from_a_gpu_is_read_where_there_is_none():
    """Its device is only said to be one; the way through pickle is that of a GPU."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    X, y, _, _ = simulate(n_groups=10, n_items=20)
    options = {**FAST, "max_epochs": 2, "likelihood": "joint"}
    net = MixedEffectsNet(Linear, **options).fit(X, y)
    expected = net.predict_eta(X)
    net.device = "cuda"
    stored = pickle.dumps(net)
    copy = pickle.loads(stored)
    assert torch.device(copy.device).type == "cpu"
    assert np.array_equal(copy.predict_eta(X), expected)
    # It can be trained further: the optimizer has the weights of the module.
    before = copy.module_.layer.weight.detach().clone()
    copy.partial_fit(X, y)
    assert not torch.equal(copy.module_.layer.weight, before)


def test_parameters_of_module_and_net_are_searchable():
    X, y, _, _ = simulate(n_groups=12)
    net = MixedEffectsNet(Linear, **{**FAST, "max_epochs": 1})
    grid = ParameterGrid({"lr": [0.1, 0.01], "module__n_features": [4]})
    found = [clone(net).set_params(**p).fit(X, y).predict_eta(X) for p in grid]
    assert not np.allclose(found[0], found[1])
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        clone(net).set_params(module__n_features=3).fit(X, y)


def test_held_out_participants_have_no_row_in_training():
    X, y, _, _ = simulate(n_groups=20)
    net = MixedEffectsNet(Linear, **{**FAST, "train_split": HeldOut(0.2)})
    seen = {}

    class Module(Linear):
        def forward(self, x):
            seen.setdefault(self.training, set()).update(x[:, 0].tolist())
            return super().forward(x)

    # Items are the same for all; what tells participants apart is their number.
    X = {**X, "x": np.column_stack([X["groups"], X["x"][:, 1:]]).astype("float32")}
    net.set_params(module=Module).train(X, y)
    assert len(seen[True]) == 16
    assert len(seen[False]) == 4
    assert not seen[True] & seen[False]


class Worse(Linear):
    """Begins at the truth, so that training can only harm."""

    def __init__(self):
        super().__init__()
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[2.0, 0, 0, 0]]))
            self.layer.bias.zero_()


def test_the_best_weights_are_kept_and_training_stops_after_them():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4)).astype("float32")
    y = (rng.uniform(size=600) < 1 / (1 + np.exp(-2 * x[:, 0]))).astype(float)
    net = MixedEffectsNet(
        Worse, effects=None, lr=0.5, max_epochs=9, patience=2, random_state=0
    ).fit({"x": x}, y)
    best = net.best_weights()
    assert best.best_epoch_ == 0
    assert len(net.history) == 2
    assert torch.equal(net.module_.layer.weight, Worse().layer.weight)


def test_an_interrupt_keeps_the_best_weights():
    X, y, _, _ = simulate(n_groups=20)

    class Interrupted(Linear):
        calls = 0

        def forward(self, x):
            Interrupted.calls += self.training
            if Interrupted.calls > 40:
                Interrupted.calls = -(10**9)
                raise KeyboardInterrupt
            return super().forward(x)

    options = {**FAST, "max_epochs": 50, "patience": None}
    net = MixedEffectsNet(Interrupted, **options).fit(X, y)
    assert 3 < len(net.history) < 50  # 9 batches per epoch
    losses = [row["valid_loss"] for row in net.history[:-1]]
    assert net.best_weights().best_loss_ == min(losses)
    assert net.predict(X).shape == y.shape


def test_gradients_are_clipped():
    X, y, _, _ = simulate(n_groups=12)
    norms = []

    class Watched(Linear):
        pass

    from skorch.callbacks import Callback

    class Watch(Callback):
        def on_grad_computed(self, net, **kwargs):
            parts = [p.grad.norm() for p in net.module_.parameters()]
            norms.append(float(torch.stack(parts).norm()))

    options = {**FAST, "max_epochs": 1, "max_grad_norm": 1e-3}
    MixedEffectsNet(Watched, callbacks=[Watch()], **options).fit(X, y)
    assert max(norms) == pytest.approx(1e-3, rel=1e-2)


def test_weights_are_repetitions():
    X, y, _, _ = simulate(n_groups=10, n_items=20)
    weight = np.random.default_rng(0).integers(1, 4, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    # One batch of everything, so that both see the same steps.
    options = {**FAST, "max_epochs": 3, "train_split": None, "batch_size": 10**6}
    first = MixedEffectsNet(Linear, **options).fit({**X, "weight": weight}, y)
    repeated = {name: values[rows] for name, values in X.items()}
    second = MixedEffectsNet(Linear, **options).fit(repeated, y[rows])
    assert np.allclose(first.predict_eta(X), second.predict_eta(X), atol=1e-4)


def test_choice_sets_stay_whole():
    sets = np.repeat(np.arange(30), 3)
    data = JudgmentDataset({"x": np.arange(90)}, np.zeros(90))
    batches = JudgmentBatches(data, 10, units=sets, shuffle=True, seed=lambda: 3)
    seen = []
    assert [len(y) for _, y in batches] == [12] * 7 + [6]
    for X, _ in batches:
        rows = X["x"].numpy()
        assert (np.bincount(sets[rows], minlength=30) % 3 == 0).all()
        seen += rows.tolist()
    assert sorted(seen) == list(range(90))


def test_choices_between_alternatives_train():
    rng = np.random.default_rng(0)
    sets, groups = np.repeat(np.arange(600), 3), np.repeat(np.arange(30), 60)
    x = rng.normal(size=(1800, 4)).astype("float32")
    utility = (2 * x[:, 0] + rng.gumbel(size=1800)).reshape(-1, 3)
    y = np.zeros((600, 3))
    y[np.arange(600), utility.argmax(axis=1)] = 1.0
    family = ConditionalLogit(sets)
    z = x[:, :1].astype(float)
    X = {"x": x, "groups": groups, "sets": sets, "groups.z": z}
    net = MixedEffectsNet(Linear, family=family, effects="covariates", **FAST)
    net.fit(X, y.ravel())
    assert net.kind_ == "marginal"
    chosen = net.predict(X).reshape(-1, 3).argmax(axis=1)
    assert np.mean(chosen == utility.argmax(axis=1)) > 0.7
    assert net.history[-1, "valid_loss"] < np.log(3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effects": "intercept"}, r"effects\['groups'\] must be one of"),
        ({"effects": {"item": "intercepts"}}, "names the factor 'item', which is not"),
        ({"likelihood": "both"}, "likelihood must be 'auto', 'marginal' or 'joint'"),
        ({"likelihood": "marginal", "effects": "slopes"}, "'slopes' change with the"),
        ({"train_split": HeldOut(1.5)}, r"fraction must be in \(0, 1\). Got 1.5"),
        ({"autocast": "float16"}, "autocast must be None or 'bfloat16'"),
        ({"train_split": 5}, "train_split must be None or a HeldOut. Got int"),
    ],
)
def test_settings_are_checked(options, message):
    X, y, _, _ = simulate(n_groups=4)
    with pytest.raises((ValueError, TypeError), match=message):
        MixedEffectsNet(Linear, **options).fit(X, y)


def test_columns_must_be_of_one_length():
    X, y, _, _ = simulate(n_groups=4)
    with pytest.raises(ValueError, match="of one length"):
        MixedEffectsNet(Linear).fit({**X, "x": X["x"][1:]}, y)
    with pytest.raises(TypeError, match="X must be a dict of columns"):
        MixedEffectsNet(Linear).fit(X["x"], y)


def resuming(folder, pause=0.0):
    """Train for six epochs with a checkpoint; the losses and predictions at the end."""

    class Slow(Dropped):
        def forward(self, x):
            time.sleep(pause * self.training)
            return super().forward(x)

    X, y, _, _ = simulate(n_groups=30)
    options = {**FAST, "max_epochs": 6, "patience": None, "checkpoint": folder}
    net = MixedEffectsNet(Slow, **options).fit(X, y)
    losses = [net.history[-1, f"{part}_loss"] for part in ("train", "valid")]
    return [*losses, float(np.abs(net.predict_eta(X)).sum()), len(net.history)]


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from test_net import resuming
resuming(sys.argv[2], pause=0.05)
"""


def test_training_goes_on_where_the_process_was_killed(tmp_path):
    whole = resuming(tmp_path / "whole")
    here, folder = str(Path(__file__).parent), tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", KILLED, here, str(folder)])
    deadline = time.monotonic() + 120
    while not (folder / "training.safetensors").is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)  # into a later epoch
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert resuming(folder) == pytest.approx(whole, abs=1e-5)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    X, y, _, _ = simulate(n_groups=10)
    options = {**FAST, "max_epochs": 2, "checkpoint": tmp_path}
    MixedEffectsNet(Linear, **options).fit(X, y)
    with pytest.raises(ValueError, match="belongs to another training"):
        MixedEffectsNet(Linear, **options).fit(X, 1.0 - y)
    net = MixedEffectsNet(Linear, **options, resume=False).fit(X, 1.0 - y)
    assert len(net.history) == 2


def test_a_sample_of_many_participants_says_enough():
    X, y, _, _ = simulate(n_groups=60, n_items=20)
    net = MixedEffectsNet(Linear, **{**FAST, "max_epochs": 1, "train_split": None})
    seen = []

    class Net(MixedEffectsNet):
        def _profile(self, rows, *, estimate):
            seen.append(np.unique(self.whole_.X["groups"][rows]))
            super()._profile(rows, estimate=estimate)

    options = {**net.get_params(deep=False), "callbacks__variance_step__max_levels": 25}
    Net(**options).fit(X, y)
    assert [len(levels) for levels in seen] == [25, 60]  # the last is of all effects


def test_autocast_computes_in_the_type_that_is_named():
    X, y, _, _ = simulate(n_groups=10, n_items=20)
    found = {}

    class Watched(Linear):
        def forward(self, x):
            f, _ = super().forward(x)
            found[self.training] = f.dtype
            return f, x

    options = {**FAST, "max_epochs": 1}
    rounded = MixedEffectsNet(Watched, autocast="bfloat16", **options).fit(X, y)
    assert found == {True: torch.bfloat16, False: torch.bfloat16}
    whole = MixedEffectsNet(Watched, **options).fit(X, y)
    difference = np.abs(rounded.predict_eta(X) - whole.predict_eta(X))
    assert 0 < difference.max() < 0.1

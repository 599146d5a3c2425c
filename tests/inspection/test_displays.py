"""Pictures of effects and of the history of a fit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib import pyplot

from bead_sklearn import BinaryClassifier, MagnitudeRegressor
from bead_sklearn.inspection import EffectsDisplay, VarianceHistoryDisplay

pd = pytest.importorskip("pandas")

RNG = np.random.RandomState(0)
N_GROUPS, N_EACH = 90, 8
G = np.repeat([f"p{i:02d}" for i in range(N_GROUPS)], N_EACH)
X = RNG.normal(size=len(G))
U = RNG.normal(size=(N_GROUPS, 2))
ETA = np.repeat(U[:, 0], N_EACH) + np.repeat(U[:, 1], N_EACH) * X
Y = ETA + 0.5 * RNG.normal(size=len(G))
FRAME = pd.DataFrame({"x": X, "g": G})
SLOPES = MagnitudeRegressor(mixed_effects="(1 + x | g)", alpha=0).fit(FRAME, Y)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def points(axes):
    """Coordinates of all points of a panel, from the bottom up."""
    drawn = [line.get_xydata() for line in axes.lines if line.get_marker() == "o"]
    drawn = np.concatenate(drawn)
    return drawn[np.argsort(drawn[:, 1])]


def intervals(axes):
    segments = np.concatenate([np.array(c.get_segments()) for c in axes.collections])
    return segments[np.argsort(segments[:, 0, 1]), :, 0]


def test_modes_stand_in_order_with_their_intervals():
    display = EffectsDisplay.from_estimator(
        SLOPES, effect="(Intercept)", max_levels=None, level=0.9
    )
    effects = SLOPES.effects_["g"]
    order = np.argsort(effects.modes[:, 0])
    np.testing.assert_array_equal(display.shown_, order)
    [axes] = display.axes_
    np.testing.assert_allclose(points(axes)[:, 0], effects.modes[order, 0])
    half = 1.6448536 * effects.sds[order, 0]
    np.testing.assert_allclose(
        intervals(axes),
        effects.modes[order, :1] + half[:, None] * [-1.0, 1.0],
        atol=1e-6,
    )
    assert axes.get_xlabel() == "Conditional mode, 90 % interval"
    assert axes.get_ylabel() == "g (90)"
    assert axes.get_title(loc="left") == "(Intercept)"
    # Too many levels for names.
    assert len(axes.get_yticks()) == 0


def test_panels_share_the_order_of_the_first_effect():
    display = EffectsDisplay.from_estimator(SLOPES, max_levels=None)
    effects = SLOPES.effects_["g"]
    order = np.argsort(effects.modes[:, 0])
    assert [axes.get_title(loc="left") for axes in display.axes_] == [
        "(Intercept)",
        "x",
    ]
    np.testing.assert_allclose(points(display.axes_[1])[:, 0], effects.modes[order, 1])


@pytest.mark.parametrize("max_levels", [10, 11])
def test_the_extremes_are_shown_of_many_levels(max_levels):
    display = EffectsDisplay.from_estimator(SLOPES, max_levels=max_levels)
    modes = SLOPES.effects_["g"].modes[:, 0]
    order = np.argsort(modes)
    n_high = max_levels // 2
    n_low = max_levels - n_high
    np.testing.assert_array_equal(
        display.shown_, np.concatenate([order[:n_low], order[-n_high:]])
    )
    labels = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert f"{90 - max_levels} more" in labels
    assert len(labels) == max_levels + 1
    names = SLOPES.effects_["g"].levels[display.shown_].tolist()
    assert [label for label in labels if label in set(names)] == names


def test_colours_say_whether_zero_is_excluded():
    display = EffectsDisplay.from_estimator(
        SLOPES, effect="(Intercept)", max_levels=None
    )
    effects = SLOPES.effects_["g"]
    excludes = np.abs(effects.modes[:, 0]) > 1.96 * effects.sds[:, 0]
    coloured, grey = (
        line for line in display.axes_[0].lines if line.get_marker() == "o"
    )
    assert len(coloured.get_xdata()) == excludes.sum()
    assert len(grey.get_xdata()) == (~excludes).sum()
    assert coloured.get_color() != grey.get_color()


def test_given_axes():
    _, axes = pyplot.subplots(1, 2)
    display = EffectsDisplay.from_estimator(SLOPES, ax=axes)
    assert display.axes_[1] is axes[1]
    assert display.figure_ is axes[0].figure
    one = EffectsDisplay.from_estimator(SLOPES, effect="x", ax=axes[0])
    assert one.axes_[0] is axes[0]
    with pytest.raises(ValueError, match="one Axes for each of 2 effects"):
        EffectsDisplay.from_estimator(SLOPES, ax=axes[0])


def test_link_is_the_unit():
    labels = np.where(ETA > 0, "yes", "no")
    model = BinaryClassifier(mixed_effects="(1 | g)", alpha=0).fit(FRAME, labels)
    display = EffectsDisplay.from_estimator(model)
    assert display.axes_[0].get_xlabel().endswith(", logit")


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"factor must be one of.*'g'.*'item'"):
        EffectsDisplay.from_estimator(SLOPES, factor="item")
    with pytest.raises(ValueError, match=r"effect must be one of.*'x'.*'z'"):
        EffectsDisplay.from_estimator(SLOPES, effect="z")
    with pytest.raises(ValueError, match="max_levels must be at least 2"):
        EffectsDisplay.from_estimator(SLOPES, max_levels=1)
    with pytest.raises(ValueError, match="level must lie strictly"):
        EffectsDisplay.from_estimator(SLOPES, level=1.0)
    fixed = MagnitudeRegressor(mixed_effects="fixed").fit(FRAME[["x"]], Y)
    with pytest.raises(ValueError, match="no random effects to draw"):
        EffectsDisplay.from_estimator(fixed)
    with pytest.raises(ValueError, match="no estimated standard deviation"):
        VarianceHistoryDisplay.from_estimator(fixed)


def test_history_ends_at_the_estimates():
    display = VarianceHistoryDisplay.from_estimator(SLOPES)
    assert list(display.lines_) == ["sd_(Intercept)|g", "sd_x|g"]
    for line, sd in zip(
        display.lines_.values(), SLOPES.variance_components_[0].sd, strict=True
    ):
        x, y = line.get_data()
        assert len(x) == len(SLOPES.variance_history_)
        assert y[-1] == pytest.approx(sd / SLOPES.sigma_, rel=1e-6)
    assert display.ax_.get_ylabel() == "Standard deviation, relative to sigma"
    assert display.ax_.get_xlabel() == "Iteration"
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["(Intercept) | g", "x | g"]


def test_history_of_crossed_factors_in_given_axes():
    labels = np.where(ETA + RNG.logistic(size=len(G)) > 0, 1, 0)
    items = np.tile(np.arange(N_EACH), N_GROUPS)
    labels = np.where(RNG.uniform(size=len(G)) < 0.3, items > 3, labels).astype(int)
    model = BinaryClassifier(mixed_effects="(1 | g) + (1 | item)", alpha=0)
    model.fit(FRAME.assign(item=items), labels)
    _, ax = pyplot.subplots()
    display = VarianceHistoryDisplay.from_estimator(model, ax=ax)
    assert display.ax_ is ax
    found = {
        component.grouping_factor: component.sd[0]
        for component in model.variance_components_
    }
    for name, sd in found.items():
        line = display.lines_[f"sd_(Intercept)|{name}"]
        assert line.get_ydata()[-1] == pytest.approx(sd, rel=1e-6)
    assert ax.get_ylabel() == "Standard deviation"


@pytest.mark.parametrize("display", [EffectsDisplay, VarianceHistoryDisplay])
def test_matplotlib_is_named_where_it_is_missing(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"bead-sklearn\[plots\]"):
        display.from_estimator(SLOPES)

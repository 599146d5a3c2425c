"""Tables of effects, and the optimizer that trains them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from bead_sklearn.nn import (  # noqa: E402
    CovariateEffects,
    EffectTable,
    SlopeEffects,
    TableAdamW,
)
from bead_sklearn.nn._tables import rows_penalty  # noqa: E402


def filled(table):
    """Give a table of effects other values than 0."""
    torch.manual_seed(0)
    table.table.set_effects(torch.randn(table.table.n_levels, table.table.size))
    return table


def test_unknown_levels_have_no_effect_and_never_learn_one():
    table = EffectTable(2, 3)
    optimizer = TableAdamW(table.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        table(torch.tensor([-1, 0, -1])).sum().backward()
        optimizer.step()
    assert table(torch.tensor([-1])).abs().max() == 0
    assert table(torch.tensor([0])).abs().min() > 0
    assert table(torch.tensor([1])).abs().max() == 0


def test_intercepts_are_the_scale_times_the_table():
    effects = filled(CovariateEffects(4, n_outputs=3))
    effects.scale.copy_(torch.randn(3, 3).tril())
    v = effects.table.effects()[2]
    expected = effects.scale @ v
    assert torch.allclose(effects(torch.tensor([2]))[0], expected)


def test_covariates_multiply_effects_ordered_by_covariate_then_output():
    effects = filled(CovariateEffects(4, n_outputs=2, n_covariates=3))
    z = torch.randn(5, 3)
    codes = torch.tensor([0, 3, 1, 1, -1])
    found = effects(codes, z)
    for i, code in enumerate(codes.tolist()):
        u = torch.zeros(6) if code < 0 else effects.table.effects()[code]
        assert torch.allclose(found[i], z[i] @ u.reshape(3, 2), atol=1e-6)


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("intercept", [True, False])
def test_slopes_are_heads_of_each_level(rank, intercept):
    effects = filled(SlopeEffects(4, 5, n_outputs=2, rank=rank, intercept=intercept))
    effects.scale.fill_(0.5)
    effects.slope_scale.fill_(3.0)
    h = torch.randn(6, 5)
    codes = torch.tensor([0, 3, 1, 1, 2, -1])
    found = effects(codes, h)
    directions = torch.eye(5) if rank is None else effects.directions
    for i, code in enumerate(codes.tolist()):
        if code < 0:
            assert found[i].abs().max() == 0
            continue
        own = effects.table.effects()[code].reshape(-1, 2)
        slopes = 3.0 * directions @ (own[1:] if intercept else own)
        expected = h[i] @ slopes + (0.5 * own[0] if intercept else 0.0)
        assert torch.allclose(found[i], expected, atol=1e-5)


def test_penalty_counts_each_level_once_per_pass():
    effects = filled(CovariateEffects(3, n_outputs=2))
    codes = torch.tensor([0, 0, 1, 2, 2, 2])
    shares = 1.0 / torch.bincount(codes)[codes]
    rows = effects.table(codes)
    whole = rows_penalty(rows, shares)
    assert torch.allclose(whole, 0.5 * effects.table.effects().pow(2).sum())
    parts = [rows_penalty(rows[i], shares[i]) for i in (slice(0, 2), slice(2, 6))]
    assert torch.allclose(sum(parts), whole)


def test_rank_is_checked():
    with pytest.raises(ValueError, match=r"rank must be between 1 and .* 5. Got 6"):
        SlopeEffects(4, 5, rank=6)


def test_dense_parameters_move_as_by_adamw():
    torch.manual_seed(0)
    first = torch.nn.Linear(4, 3)
    second = torch.nn.Linear(4, 3)
    second.load_state_dict(first.state_dict())
    ours = TableAdamW(first.parameters(), lr=0.01, weight_decay=0.1)
    matrices, vectors = [second.weight], [second.bias]
    theirs = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": 0.1},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=0.01,
    )
    for _ in range(5):
        x = torch.randn(8, 4)
        for model, optimizer in ((first, ours), (second, theirs)):
            optimizer.zero_grad()
            model(x).pow(2).mean().backward()
            optimizer.step()
    assert torch.allclose(first.weight, second.weight, atol=1e-6)
    assert torch.allclose(first.bias, second.bias, atol=1e-6)


def test_a_table_with_its_state_takes_8_bytes_per_entry():
    table = EffectTable(999, 64)
    optimizer = TableAdamW(table.parameters(), lr=0.1)
    table(torch.tensor([5])).sum().backward()
    optimizer.step()
    tensors = [table.weight, *optimizer.state[table.weight].values()]
    n_bytes = sum(item.numel() * item.element_size() for item in tensors)
    # Two numbers per row on top.
    assert n_bytes == 1000 * (64 * 8 + 8)


def test_rows_that_are_not_in_the_batch_keep_still():
    table = EffectTable(10, 2)
    optimizer = TableAdamW(table.parameters(), lr=0.1)
    table(torch.tensor([3, 3])).sum().backward()
    optimizer.step()
    moved = table.effects().abs().sum(dim=1) > 0
    assert moved.tolist() == [i == 3 for i in range(10)]
    # The first step of Adam is of the size of the learning rate.
    assert torch.allclose(table.effects()[3], torch.full((2,), -0.1))


@pytest.mark.parametrize("name", ["lr", "eps", "weight_decay"])
def test_settings_are_checked(name):
    with pytest.raises(ValueError, match=f"{name} must not be negative"):
        TableAdamW([torch.nn.Parameter(torch.ones(1))], **{name: -1.0})

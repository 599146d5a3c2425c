"""Low-rank adapters: their mathematics, mixed batches, files of PEFT."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tiny_models import save_bert  # noqa: E402

from bead_sklearn.nn import (  # noqa: E402
    LoRALayer,
    LoRALinear,
    ParticipantLoRA,
    TableAdamW,
    add_lora,
    find_projections,
    load_peft,
    save_peft,
    shared_adapter,
)

TEXTS = ["the dog saw a cat", "a cat", "a dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"), TEXTS)


@pytest.fixture
def bert(folder):
    return transformers.AutoModel.from_pretrained(folder).eval()


@pytest.fixture
def tokens(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer(TEXTS, padding=True, return_tensors="pt")


def test_layer_is_alpha_over_r_times_the_product():
    layer = LoRALayer(6, 4, rank=2, alpha=3.0)
    assert layer(torch.randn(5, 6)).abs().max() == 0  # B starts at 0
    torch.nn.init.normal_(layer.lora_B)
    x = torch.randn(5, 6)
    expected = x @ layer.lora_A @ layer.lora_B * 1.5
    assert torch.allclose(layer(x), expected)
    assert torch.allclose(x @ layer.delta().T, expected, atol=1e-6)


def test_linear_keeps_its_base_and_merges():
    base = torch.nn.Linear(6, 4)
    layer = LoRALinear(base, rank=2)
    torch.nn.init.normal_(layer.lora.lora_B)
    x = torch.randn(5, 6)
    merged = torch.nn.functional.linear(x, layer.merged_weight(), base.bias)
    assert torch.allclose(layer(x), merged, atol=1e-5)
    layer(x).sum().backward()
    assert base.weight.grad is None
    assert layer.lora.lora_A.grad is not None


def test_add_lora_freezes_the_rest_and_changes_nothing_yet(bert, tokens):
    before = bert(**tokens).last_hidden_state
    layers = add_lora(bert, rank=2)
    assert len(layers) == 4  # query and value of two layers
    assert torch.equal(bert(**tokens).last_hidden_state, before)
    trained = [name for name, p in bert.named_parameters() if p.requires_grad]
    assert len(trained) == 8
    assert all(".lora." in name for name in trained)


def test_layers_that_are_not_there_are_named(bert):
    with pytest.raises(ValueError, match=r"no linear layer named any of \['qq'\].*key"):
        find_projections(bert, ["qq"])


def fill(adapters):
    with torch.no_grad():
        adapters.table.weight[: adapters.table.n_levels].normal_(std=0.3)
    return adapters


def test_mixed_batches_equal_one_participant_at_a_time(bert, tokens):
    adapters = fill(ParticipantLoRA(bert, n_levels=5, rank=2))
    codes = torch.tensor([4, -1, 0])
    with adapters.participants(codes):
        mixed = bert(**tokens).last_hidden_state
    plain = bert(**tokens).last_hidden_state
    for row, code in enumerate(codes.tolist()):
        with adapters.participants(torch.full((3,), code)):
            alone = bert(**tokens).last_hidden_state
        assert torch.allclose(mixed[row], alone[row], atol=1e-6)
    assert torch.equal(mixed[1], plain[1])  # not known: no adapter
    assert not torch.allclose(mixed[0], plain[0], atol=1e-3)


def test_participants_equal_merged_weights(folder, bert, tokens):
    adapters = fill(ParticipantLoRA(bert, n_levels=3, rank=2, alpha=5.0))
    with adapters.participants(torch.full((3,), 1)):
        found = bert(**tokens).last_hidden_state
    other = transformers.AutoModel.from_pretrained(folder).eval()
    for path, (low, high) in adapters.adapter(1).items():
        other.get_submodule(path).weight.data += 5.0 / 2 * high @ low
    assert torch.allclose(found, other(**tokens).last_hidden_state, atol=1e-5)


def test_participants_start_at_zero_and_only_those_in_the_batch_learn(bert, tokens):
    adapters = ParticipantLoRA(bert, n_levels=4, rank=2)
    with adapters.participants(torch.tensor([0, 2, -1])):
        first = bert(**tokens).last_hidden_state
        assert torch.equal(first, bert(**tokens).last_hidden_state)
    start = adapters.table.weight.detach().clone()
    optimizer = TableAdamW(adapters.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        with adapters.participants(torch.tensor([0, 2, -1])):
            bert(**tokens).last_hidden_state.pow(2).sum().backward()
        optimizer.step()
    moved = (adapters.table.weight != start).any(dim=1)
    assert moved.tolist() == [True, False, True, False, False]
    assert all(p.grad is None for p in bert.parameters())


def test_outside_of_the_context_there_are_no_participants(bert, tokens):
    plain = bert(**tokens).last_hidden_state
    adapters = fill(ParticipantLoRA(bert, n_levels=2, rank=2))
    assert torch.equal(bert(**tokens).last_hidden_state, plain)
    with pytest.raises(ValueError, match="3 rows for 2 participants"):  # noqa: SIM117
        with adapters.participants(torch.tensor([0, 1])):
            bert(**tokens)
    adapters.remove()
    with adapters.participants(torch.tensor([0, 1])):
        assert torch.equal(bert(**tokens).last_hidden_state, plain)


def test_penalty_is_the_normal_log_density():
    network = torch.nn.ModuleDict({"q": torch.nn.Linear(4, 3)})
    adapters = fill(ParticipantLoRA(network, n_levels=2, rank=2, prior_variance=0.5))
    _, high = adapters.adapter(1)["q"]
    normal = torch.distributions.Normal(0.0, 0.5**0.5)
    log_prior = (normal.log_prob(high) - normal.log_prob(torch.zeros(()))).sum()
    codes, shares = torch.tensor([1, 1]), torch.tensor([0.5, 0.5])
    assert torch.allclose(adapters.penalty(codes, shares), -log_prior, rtol=1e-5)


def test_peft_files_round_trip(bert, tmp_path):
    adapters = fill(ParticipantLoRA(bert, n_levels=3, rank=2, alpha=6.0))
    save_peft(tmp_path, adapters.adapter(2), alpha=6.0, base_model="tiny")
    adapter, alpha = load_peft(tmp_path)
    assert alpha == 6.0
    adapters.set_adapter(0, adapter)
    weight = adapters.table.weight
    assert torch.equal(weight[0], weight[2])
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["peft_type"]) == (2, "LORA")


def test_shared_adapters_round_trip(bert, tmp_path):
    layers = add_lora(bert, rank=2, alpha=4.0)
    torch.nn.init.normal_(layers["encoder.layer.0.attention.self.query"].lora.lora_B)
    save_peft(tmp_path, shared_adapter(bert), alpha=4.0)
    adapter, _ = load_peft(tmp_path)
    for path, layer in layers.items():
        low, high = adapter[path]
        assert torch.allclose(2.0 * high @ low, layer.lora.delta(), atol=1e-6)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_peft_itself_reads_and_writes_the_files(folder, bert, tokens, tmp_path):
    peft = pytest.importorskip("peft", reason="needs the extra 'lora'")
    adapters = fill(ParticipantLoRA(bert, n_levels=3, rank=2, alpha=6.0))
    with adapters.participants(torch.full((3,), 1)):
        expected = bert(**tokens).last_hidden_state
    save_peft(tmp_path / "ours", adapters.adapter(1), alpha=6.0, base_model=folder)
    other = transformers.AutoModel.from_pretrained(folder).eval()
    model = peft.PeftModel.from_pretrained(other, tmp_path / "ours").eval()
    found = model(**tokens).last_hidden_state
    assert torch.allclose(found, expected, atol=1e-5)
    model.save_pretrained(tmp_path / "theirs")
    adapter, alpha = load_peft(tmp_path / "theirs")
    assert alpha == 6.0
    for path, (low, high) in adapters.adapter(1).items():
        assert torch.allclose(adapter[path][0], low)
        assert torch.allclose(adapter[path][1], high)


def test_adapters_of_another_shape_are_refused(bert, tmp_path):
    adapters = ParticipantLoRA(bert, n_levels=2, rank=2)
    path = next(iter(adapters.slots))
    with pytest.raises(ValueError, match="The adapter has layers"):
        adapters.set_adapter(0, {path: adapters.adapter(0)[path]})
    wrong = {name: (a[:1], b[:, :1]) for name, (a, b) in adapters.adapter(0).items()}
    with pytest.raises(ValueError, match=r"shapes \(1, 16\) and \(16, 1\)"):
        adapters.set_adapter(0, wrong)
    mixed = dict(wrong)
    mixed[path] = adapters.adapter(0)[path]
    with pytest.raises(ValueError, match=r"one rank. Got ranks \[1, 2\]"):
        save_peft(tmp_path, mixed, alpha=1.0)

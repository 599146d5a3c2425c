"""Encoder-decoders with effects of participants: scores, writing, training."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from skorch.callbacks import Callback  # noqa: E402
from tiny_models import save_bert  # noqa: E402
from tiny_seq2seq import save_seq2seq, train_seq2seq  # noqa: E402

from bead_sklearn.nn import HeldOut, ResponseModel, Seq2SeqModel, Seq2SeqNet  # noqa: E402
from bead_sklearn.nn._responses import Cases, open_model  # noqa: E402

KINDS = ("t5", "bart")
WORDS = ["red", "blue", "green", "cat", "dog", "bird", "runs", "sleeps", "sings"]
TEXTS = [
    f"the {colour} {animal} {verb}"
    for colour in WORDS[:3]
    for animal in WORDS[3:6]
    for verb in WORDS[6:]
]
CANDIDATES = ["red", "cat sings", "bird sleeps green", "dog dog"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    transformers.utils.logging.disable_progress_bar()


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    """A model that has seen short responses of random words."""
    path = tmp_path_factory.mktemp(request.param)
    save_seq2seq(path, [*TEXTS, " ".join(WORDS)], kind=request.param)
    rng = np.random.default_rng(0)
    texts = rng.choice(TEXTS, size=400).tolist()
    lengths = rng.geometric(0.4, size=400).clip(max=8)
    responses = [" ".join(rng.choice(WORDS, size=n)) for n in lengths]
    train_seq2seq(path, texts, responses, steps=120)
    return str(path)


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    """A T5 of random weights."""
    return save_seq2seq(
        tmp_path_factory.mktemp("random"), [*TEXTS, "it is good no never"]
    )


def with_effects(folder, n_people=4, adapters=True, seed=0):
    """A model with random biases and adapters of participants."""
    rng = np.random.default_rng(seed)
    base = Seq2SeqModel(folder, n_participants=n_people, participant_rank=2)
    table = base.participant_adapters.table.weight
    shape = (n_people, table.shape[1])
    encoded = base.tokenize_responses(CANDIDATES)
    tokens = np.unique(np.concatenate(encoded))
    return ResponseModel(
        folder,
        tokens=tokens,
        shared=rng.normal(size=len(tokens)).astype("float32"),
        biases=rng.normal(size=(n_people, len(tokens))).astype("float32"),
        adapters=0.5 * rng.normal(size=shape).astype("float32") if adapters else None,
        participant_rank=2 if adapters else None,
        longest=5,
    )


def cases_of(n=12, n_people=4, seed=0):
    rng = np.random.default_rng(seed)
    return Cases(
        TEXTS, rng.integers(len(TEXTS), size=n), rng.integers(-1, n_people, size=n)
    )


def next_token(model, text, person, before):
    """Log-probabilities of the next token, by the network itself."""
    module = open_model(model, "cpu")
    shown = module.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    start = module.network.config.decoder_start_token_id
    options = dict(shown, decoder_input_ids=torch.tensor([[start, *before]]))
    with torch.no_grad():
        if model.adapters is None:
            logits = module.network(**options).logits[0, -1]
        else:
            # The encoder has no adapters, and the decoder one row.
            with module.participant_adapters.participants(torch.tensor([person])):
                logits = module.network(**options).logits[0, -1]
    logits[model.tokens] += torch.as_tensor(model.shared)
    if person >= 0:
        logits[model.tokens] += torch.as_tensor(model.biases[person])
    return logits.log_softmax(dim=0)


@pytest.mark.parametrize("adapters", [False, True])
def test_log_likelihood_is_the_sum_over_tokens(folder, adapters):
    model = with_effects(folder, adapters=adapters)
    cases = cases_of()
    responses = np.random.default_rng(1).choice(CANDIDATES, size=12).tolist()
    found, lengths = model.log_likelihood(cases, responses)
    module = open_model(model, "cpu")
    for i, response in enumerate(responses):
        ids = module.tokenizer(text_target=response)["input_ids"]
        assert ids[-1] == module.tokenizer.eos_token_id
        assert lengths[i] == len(ids)
        by_hand = sum(
            next_token(model, TEXTS[cases.text[i]], cases.person[i], ids[:t])[ids[t]]
            for t in range(len(ids))
        )
        assert found[i] == pytest.approx(float(by_hand), abs=1e-4)


@pytest.mark.parametrize("adapters", [False, True])
def test_ranking_is_that_of_one_candidate_at_a_time(folder, adapters):
    model = with_effects(folder, adapters=adapters)
    cases = cases_of()
    table = model.rank(cases, CANDIDATES)
    assert table.shape == (12, 4)
    for i in range(12):
        one = Cases([TEXTS[cases.text[i]]], np.zeros(1, int), cases.person[i : i + 1])
        for j, candidate in enumerate(CANDIDATES):
            alone, _ = model.log_likelihood(one, [candidate])
            assert table[i, j] == pytest.approx(alone[0], abs=1e-4)


def test_each_text_is_encoded_once_and_each_pair_decoded_once(folder, monkeypatch):
    model = with_effects(folder, adapters=False)
    encoded, decoded = [], []
    encode, decode = Seq2SeqModel.encode, Seq2SeqModel.decode

    def counting_encode(self, tokens):
        encoded.append(len(tokens["input_ids"]))
        return encode(self, tokens)

    def counting_decode(self, states, *rest):
        decoded.append(len(states))
        return decode(self, states, *rest)

    monkeypatch.setattr(Seq2SeqModel, "encode", counting_encode)
    monkeypatch.setattr(Seq2SeqModel, "decode", counting_decode)
    people = np.tile(np.arange(4), 5)
    model.rank(Cases(TEXTS[:5], np.repeat(np.arange(5), 4), people), CANDIDATES)
    assert sum(encoded) == 5
    assert sum(decoded) == 5 * len(CANDIDATES)  # biases need no other pass


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}])
def test_mixed_batches_write_as_one_participant_at_a_time(folder, options):
    model = with_effects(folder)
    cases = cases_of()
    together = model.generate(cases, options)
    for person in np.unique(cases.person):
        mine = cases.person == person
        part = Cases(TEXTS, cases.text[mine], cases.person[mine])
        assert model.generate(part, options) == [
            text for text, own in zip(together, mine, strict=True) if own
        ]
    assert len(set(together)) > 1


def test_new_people_may_write_with_the_adapters_of_others(folder):
    model, cases = with_effects(folder), cases_of()
    own = model.generate(cases)
    people = cases.person
    again = model.generate(cases, biases=model.biases, adapted=people)
    assert again == own
    plain = model.generate(cases, biases=model.biases)
    alone = with_effects(folder, adapters=False)
    assert plain == alone.generate(cases) != own
    nobody = model.generate(cases, biases=model.biases, adapted=0 * people - 1)
    assert nobody == plain


def test_greedy_writing_takes_the_most_probable_token(folder):
    model = with_effects(folder)
    module = open_model(model, "cpu")
    cases = cases_of(5)
    written = model.generate(cases, {"max_new_tokens": 6, "min_new_tokens": 0})
    for i in range(5):
        ids = []
        while len(ids) < 6 and module.tokenizer.eos_token_id not in ids:
            logs = next_token(model, TEXTS[cases.text[i]], cases.person[i], ids)
            logs[module.unwritten] = -torch.inf
            ids.append(int(logs.argmax()))
        by_hand = module.tokenizer.decode(ids, skip_special_tokens=True).strip()
        assert written[i] == by_hand


def test_beams_find_the_most_probable_response(t5):
    """With as many beams as there are tokens, no text of two is overlooked."""
    model = with_effects(t5)
    module = open_model(model, "cpu")
    size, end = module.network.config.vocab_size, module.tokenizer.eos_token_id
    options = {"max_new_tokens": 2, "num_beams": size, "length_penalty": 0.0}
    cases = cases_of(3)
    written = model.generate(cases, options)
    for i in range(3):
        asked = model, TEXTS[cases.text[i]], cases.person[i]

        def after(before, *never, asked=asked):
            logs = next_token(*asked, before)
            logs[[*module.unwritten, *never]] = -torch.inf
            return logs.log_softmax(dim=0)

        first = after([], end)  # responses are not empty
        both = torch.stack([first[w] + after([w]) for w in range(size)])
        best = divmod(int(both.argmax()), size)
        by_hand = module.tokenizer.decode(best, skip_special_tokens=True).strip()
        assert written[i] == by_hand


def test_samples_follow_their_seed_and_the_probabilities(folder):
    model = with_effects(folder, adapters=False)
    n = 3000
    cases = Cases(TEXTS[:1], np.zeros(n, int), np.full(n, 2))
    options = {"do_sample": True, "max_new_tokens": 12}
    torch.manual_seed(3)
    before = torch.get_rng_state().clone()
    written = model.generate(cases, options, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    few = Cases(TEXTS[:1], np.zeros(40, int), np.full(40, 2))
    first = model.generate(few, options, seed=1)
    torch.manual_seed(4)
    assert first == model.generate(few, options, seed=1)
    assert first != model.generate(few, options, seed=2)
    p = np.exp(model.rank(Cases(TEXTS[:1], np.zeros(1, int), np.array([2])), WORDS)[0])
    # Texts are not empty, so that the others are a little more frequent.
    module = open_model(model, "cpu")
    lead = module.tokenize_responses(["red"])[0][: module.n_leading]
    end = module.tokenizer.eos_token_id
    p = p / (1.0 - float(next_token(model, TEXTS[0], 2, lead)[end].exp()))
    share = np.array([np.mean(np.array(written) == word) for word in WORDS])
    assert np.abs(share - p).max() < 4.0 * np.sqrt(p.max() / n)
    assert share.sum() > 0.05


def test_lengths_of_responses_are_as_asked_for(t5):
    model = with_effects(t5)
    for options in ({"max_length": 4}, {"max_new_tokens": 3, "num_beams": 2}):
        written = model.generate(cases_of(), options)
        assert max(len(text.split()) for text in written) <= 3
        assert all(written)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beams": 3}, "setting 'beams'"),
        ({"num_return_sequences": 2}, "num_return_sequences=2"),
        ({"temperature": 0.5}, "temperature=0.5, which has no effect"),
    ],
)
def test_settings_of_writing_are_checked(t5, options, message):
    with pytest.raises(ValueError, match=message):
        with_effects(t5).generate(cases_of(2), options)


# ---------------------------------------------------------------------- training


def simulated(folder, n_people=40, n_each=20, sd=1.0, seed=0):
    """Responses of participants with biases."""
    rng = np.random.default_rng(seed)
    model = with_effects(folder, adapters=False)
    size = open_model(model, "cpu").network.config.vocab_size
    every = np.append(1, np.arange(4, size))  # the end and all words
    biases = sd * rng.normal(size=(n_people, len(every))).astype("float32")
    model = ResponseModel(
        folder,
        tokens=every,
        shared=np.zeros(len(every), dtype="float32"),
        biases=biases,
        longest=5,
    )
    groups = np.repeat(np.arange(n_people), n_each)
    text = rng.integers(len(TEXTS), size=len(groups))
    responses = model.generate(
        Cases(TEXTS, text, groups), {"do_sample": True, "max_new_tokens": 30}, seed=1
    )
    X = {"texts": [TEXTS[i] for i in text], "groups": groups}
    return X, responses, biases, every


def direct_estimates(folder, X, responses, tokens, n_people, sd=1.0):
    """Penalised estimates of biases of known variance, by L-BFGS in torch."""
    module = Seq2SeqModel(folder)
    tokenizer = module.tokenizer
    shown = tokenizer(
        X["texts"], padding=True, return_tensors="pt", return_token_type_ids=False
    )
    labels = tokenizer(text_target=responses, padding=True, return_tensors="pt")
    labels = labels["input_ids"]
    labels[labels == tokenizer.pad_token_id] = -100
    with torch.no_grad():
        logits = module.network(**shown, labels=labels).logits
    groups = torch.as_tensor(X["groups"])
    b = torch.zeros(n_people, len(tokens), requires_grad=True)
    optimizer = torch.optim.LBFGS([b], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        bias = torch.zeros(n_people, logits.shape[2]).index_copy(
            1, torch.as_tensor(tokens), b
        )
        eta = logits + bias[groups][:, None]
        value = torch.nn.functional.cross_entropy(
            eta.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
        )
        value = value + 0.5 * (b**2).sum() / sd**2
        value.backward()
        return value

    optimizer.step(loss)
    return b.detach().numpy()


def test_biases_and_their_variance_are_recovered(folder):
    X, responses, biases, tokens = simulated(folder)
    net = Seq2SeqNet(module__model=folder, random_state=0).fit(X, responses)
    assert len(net.history) == 0  # a frozen model needs no epochs
    place = np.searchsorted(net.tokens_, tokens)
    assert (net.tokens_[place] == tokens).all()
    found = net.effects_of()[:, place]
    direct = direct_estimates(folder, X, responses, tokens, 40)
    by_net, by_direct = (
        np.corrcoef(estimate.ravel(), biases.ravel())[0, 1]
        for estimate in (found, direct)
    )
    assert by_net > by_direct - 0.02
    assert by_net > 0.6
    [variance] = net.variance_history_
    assert np.sqrt(variance["groups"][0, 0]) == pytest.approx(biases.std(), rel=0.15)


def reversal(n_people=10, n_each=50):
    """Half of the participants answer by the animal, the others the other way."""
    rng = np.random.default_rng(0)
    answers = np.array(["it is good", "no never"], dtype=object)
    groups = np.repeat(np.arange(n_people), n_each)
    text = rng.integers(len(TEXTS), size=len(groups))
    is_cat = np.array(["cat" in TEXTS[i] for i in text])
    keep = is_cat | np.array(["dog" in TEXTS[i] for i in text])
    y = answers[(is_cat ^ (groups % 2 == 1)).astype(int)]
    test = rng.uniform(size=len(groups)) < 0.25
    parts = []
    for mask in (keep & ~test, keep & test):
        X = {"texts": [TEXTS[i] for i in text[mask]], "groups": groups[mask]}
        parts.append((X, y[mask]))
    return *parts, answers


def accuracies(net, X, y, answers, known=True):
    """Shares of responses that are ranked first, and that are written."""
    model = net.response_model()
    text = np.array([TEXTS.index(one) for one in X["texts"]])
    person = X["groups"] if known else np.full(len(text), -1)
    cases = Cases(TEXTS, text, person)
    first = answers[model.rank(cases, answers.tolist()).argmax(axis=1)]
    return np.mean(first == y), np.mean(np.array(model.generate(cases)) == y)


def test_adapters_of_participants_learn_a_reversal(t5):
    (X, y), (X_test, y_test), answers = reversal()
    options = {"module__model": t5, "module__tune": "full", "lr": 5e-3}
    options |= {"random_state": 0, "effects_lr": 0.03, "patience": 10}
    fixed = Seq2SeqNet(effects=None, max_epochs=8, **options).fit(X, y)
    assert accuracies(fixed, X_test, y_test, answers)[0] < 0.62
    effects = {"groups": "tokens", "adapters": "lora"}
    X = {**X, "adapters": X["groups"]}
    net = Seq2SeqNet(effects=effects, max_epochs=15, **options).fit(X, y)
    assert min(accuracies(net, X_test, y_test, answers)) >= 0.9
    assert accuracies(net, X_test, y_test, answers, known=False)[0] < 0.62


def test_adapters_have_the_prior_variance_of_the_net(t5):
    (X, y), _, _ = reversal(4, 20)
    options = {"module__model": t5, "effects": "lora", "max_epochs": 3}
    squares = []
    for variance in (1e-4, 100.0):
        net = Seq2SeqNet(
            **options, prior_variance=variance, random_state=0, train_split=None
        ).fit(X, y)
        adapters = net.module_.participant_adapters
        pairs = [b for k in range(4) for _, b in adapters.adapter(k).values()]
        squares.append(float(torch.stack([b.square().mean() for b in pairs]).mean()))
    assert squares[0] < 0.5 * squares[1]
    with pytest.raises(ValueError, match=r"prior_variance must be positive.* Got 0"):
        Seq2SeqNet(**options, prior_variance=0).fit(X, y)


def test_preferences_of_participants_are_learned_with_the_model(t5):
    (X, _), (X_test, _), answers = reversal()
    y, y_test = (answers[part["groups"] % 2] for part in (X, X_test))
    options = {"module__model": t5, "module__tune": "full", "lr": 5e-3}
    options |= {"random_state": 0, "max_epochs": 8}
    fixed = Seq2SeqNet(effects=None, **options).fit(X, y)
    assert accuracies(fixed, X_test, y_test, answers)[0] < 0.62
    net = Seq2SeqNet(effects_lr=0.02, **options).fit(X, y)
    assert min(accuracies(net, X_test, y_test, answers)) >= 0.9
    assert len(net.variance_history_) == len(net.history) + 1


@pytest.mark.parametrize("tune", ["full", "lora", 1])
def test_what_is_trained_is_what_is_said(t5, tune):
    (X, y), _, _ = reversal(6, 10)
    net = Seq2SeqNet(
        module__model=t5, module__tune=tune, max_epochs=2, train_split=None, lr=0.01
    ).fit(X, y)
    changed = set(net.response_model().weights)
    names = {name for name, _ in Seq2SeqModel(t5).network.named_parameters()}
    assert changed <= names
    if tune == "full":
        assert changed == names
    elif tune == "lora":
        assert changed == {
            name for name in names if name.endswith((".q.weight", ".v.weight"))
        }
    else:
        assert changed == {n for n in names if n.startswith("decoder.block.0.")}
    losses = net.history[:, "train_loss"]
    assert losses[-1] < losses[0]
    # What is kept beside the pretrained model says the same as the net.
    ids = np.array([TEXTS.index(text) for text in X["texts"]])
    model = net.response_model()
    scores, _ = model.log_likelihood(Cases(TEXTS, ids, X["groups"]), y.tolist())
    with torch.no_grad():
        net._set_training(False)
        batch = net.get_dataset(X, y).take(np.arange(len(y)))[0]
        assert np.allclose(scores, net.infer(batch)[0].numpy(), atol=1e-3)


def test_seeds_are_local_and_decide_everything(t5):
    (X, y), _, _ = reversal(6, 10)
    net = Seq2SeqNet(module__model=t5, effects="lora", max_epochs=2, random_state=0)
    before = torch.get_rng_state().clone()
    tables = [
        clone(net).set_params(random_state=seed).fit(X, y).response_model().adapters
        for seed in (0, 0, 1)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])
    assert net.get_params()["module__model"] == t5


class Stop(Callback):
    def __init__(self, epoch, error):
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch + 1:
            raise self.error


def test_training_goes_on_from_a_checkpoint(t5, tmp_path):
    (X, y), _, _ = reversal(6, 10)
    options = {
        "module__model": t5,
        "module__tune": "lora",
        "effects": {"groups": "tokens", "adapters": "lora"},
        "max_epochs": 4,
        "patience": None,
        "random_state": 0,
        "lr": 0.01,
    }
    X = {**X, "adapters": X["groups"]}
    whole = Seq2SeqNet(**options).fit(X, y)
    broken = Seq2SeqNet(
        **options, checkpoint=tmp_path, callbacks=[Stop(2, RuntimeError("power cut"))]
    )
    with pytest.raises(RuntimeError, match="power cut"):
        broken.fit(X, y)
    resumed = Seq2SeqNet(**options, checkpoint=tmp_path).fit(X, y)
    for name in ("train_loss", "valid_loss"):
        assert np.allclose(
            whole.history[:, name], resumed.history[:, name], rtol=0, atol=1e-5
        )
    assert np.allclose(whole.effects_of(), resumed.effects_of(), atol=1e-4)
    assert len(whole.variance_history_) == len(resumed.variance_history_)
    other = Seq2SeqNet(**{**options, "lr": 0.02}, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="belongs to another training"):
        other.fit(X, y)


def test_an_interrupt_keeps_the_best_weights(t5):
    (X, y), _, _ = reversal(6, 10)
    net = Seq2SeqNet(
        module__model=t5,
        module__tune="full",
        lr=0.01,
        max_epochs=9,
        random_state=0,
        callbacks=[Stop(2, KeyboardInterrupt())],
    ).fit(X, y)
    assert net.best_weights().best_epoch_ > 0
    shorter = Seq2SeqNet(
        module__model=t5, module__tune="full", lr=0.01, max_epochs=2, random_state=0
    ).fit(X, y)
    assert net.best_weights().best_loss_ == pytest.approx(
        shorter.best_weights().best_loss_, abs=1e-6
    )
    assert np.allclose(net.effects_of(), shorter.effects_of(), atol=1e-4)


def test_held_variances_and_weights(t5):
    (X, y), _, _ = reversal(6, 10)
    options = {"module__model": t5, "prior_variance": 0.25, "random_state": 0}
    net = Seq2SeqNet(estimate_variances=False, **options).fit(X, y)
    assert net.variance_history_ == [{"groups": np.array([[0.25]])}]
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    rows = np.repeat(np.arange(len(y)), weights.astype(int))
    repeated = {
        "texts": [X["texts"][i] for i in rows],
        "groups": X["groups"][rows],
    }
    kept = weights > 0
    weighted = {
        "texts": [t for t, k in zip(X["texts"], kept, strict=True) if k],
        "groups": X["groups"][kept],
        "weight": weights[kept],
    }
    first = Seq2SeqNet(**options).fit(weighted, y[kept])
    second = Seq2SeqNet(**options).fit(repeated, y[rows])
    assert np.allclose(first.effects_of(), second.effects_of(), atol=1e-3)


def test_pickle_and_devices(t5):
    (X, y), _, _ = reversal(6, 10)
    net = Seq2SeqNet(module__model=t5, train_split=HeldOut(0.2)).fit(X, y)
    copy = pickle.loads(pickle.dumps(net))
    assert np.array_equal(copy.effects_of(), net.effects_of())
    with pytest.raises(TypeError, match="no linear predictors"):
        net.predict(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "normal"}, "family='normal' has no effect"),
        ({"alpha": 0}, "alpha must be 'auto' or positive"),
        ({"effects": "slopes"}, "effects must be None"),
        ({"effects": {"who": "tokens"}}, "factor 'who', which is not in X"),
        ({"module__tune": "all"}, "tune must be"),
        ({"module__tune": 3}, "last 3 layers cannot be trained"),
    ],
)
def test_settings_are_checked(t5, options, message):
    net = Seq2SeqNet(module__model=t5).set_params(**options)
    with pytest.raises(ValueError, match=message):
        net.fit({"texts": TEXTS[:2], "groups": [0, 1]}, ["red", "blue"])


def test_columns_are_checked(t5):
    net = Seq2SeqNet(module__model=t5)
    with pytest.raises(ValueError, match="X needs the column 'texts'"):
        net.fit({"groups": [0, 1]}, ["red", "blue"])
    with pytest.raises(TypeError, match="must be a dict of columns"):
        net.fit(TEXTS[:2], ["red", "blue"])
    with pytest.raises(ValueError, match="y, the responses, is needed"):
        net.fit({"texts": TEXTS[:2], "groups": [0, 1]}, None)


def test_other_models_are_refused(tmp_path):
    with pytest.raises(OSError, match=r"no-such-model.*cache.*HF_HUB_OFFLINE"):
        Seq2SeqModel("no-such-model")
    encoder = save_bert(tmp_path / "bert", TEXTS)
    with pytest.raises(ValueError, match="must be an encoder-decoder"):
        Seq2SeqModel(encoder)

"""A trained encoder-decoder as arrays: scoring, ranking and writing responses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bead_sklearn.nn._data import TokenColumn
from bead_sklearn.nn._seq2seq import IGNORED, Seq2SeqModel
from bead_sklearn.nn._token_biases import condense

#: Rows of a batch, texts whose states are held at once, and numbers of a table of
#: logits for several participants.
_BATCH, _BLOCK, _MAX_ENTRIES = 64, 512, 20_000_000

#: What a response may be longer than those seen by.
_LONGER = 2


@dataclass(frozen=True)
class Cases:
    """Who writes about what.

    Attributes
    ----------
    texts : list of str
        What is shown, each distinct text once.
    text : ndarray of int of shape (n_cases,)
        Text of each case.
    person : ndarray of int of shape (n_cases,)
        Participant of each case, a row of the tables of effects; -1 has no effects.
    """

    texts: list[str]
    text: np.ndarray
    person: np.ndarray


class ResponseModel:
    """What was learned of responses, beside a pretrained model that is loaded by name.

    Parameters
    ----------
    model : str or path-like
        Name of the pretrained encoder-decoder, or its folder.
    max_length : int or None
        Number of tokens after which texts are cut.
    target_modules : list of str or None
        Layers with adapters of participants.
    weights : dict of str to ndarray
        Weights that training changed.
    tokens : ndarray of int of shape (K,)
        Tokens with biases.
    shared : ndarray of shape (K,)
        Biases of everybody.
    biases : ndarray of shape (n_participants, K)
        Biases of participants beside these.
    adapters : ndarray of shape (n_participants, n_entries) or None
        Adapters of participants, see :class:`ParticipantLoRA`.
    participant_rank : int or None
        Their rank.
    longest : int
        Number of tokens of the longest response seen.
    """

    def __init__(
        self,
        model: Any,
        *,
        max_length: int | None = None,
        target_modules: Any = None,
        weights: Mapping[str, np.ndarray] | None = None,
        tokens: np.ndarray,
        shared: np.ndarray,
        biases: np.ndarray,
        adapters: np.ndarray | None = None,
        participant_rank: int | None = None,
        longest: int,
    ) -> None:
        self.model = model
        self.max_length = max_length
        self.target_modules = target_modules
        self.weights = dict(weights or {})
        self.tokens, self.shared, self.biases = tokens, shared, biases
        self.adapters, self.participant_rank = adapters, participant_rank
        self.longest = longest
        self.digest = self._digest()

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name, value in sorted(self.weights.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        if self.adapters is not None:
            digest.update(np.ascontiguousarray(self.adapters).tobytes())
        return digest.hexdigest()

    # ----------------------------------------------------------------- scores

    def log_likelihood(
        self, cases: Cases, responses: list[str], *, device: str = "cpu"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-likelihood of a response for each case.

        Parameters
        ----------
        cases : Cases
            Who writes about what.
        responses : list of str of length n_cases
            What is written.
        device : str, default="cpu"
            Where it is computed.

        Returns
        -------
        log_likelihood : ndarray of shape (n_cases,)
            Summed over tokens, the one that ends the response included.
        n_tokens : ndarray of int of shape (n_cases,)
            Number of these tokens.
        """
        distinct = list(dict.fromkeys(responses))
        number = {text: k for k, text in enumerate(distinct)}
        which = np.array([number[text] for text in responses])
        scores, lengths = self._score(
            cases.texts, distinct, cases.text, which, cases.person, device
        )
        return scores, lengths[which]

    def rank(
        self, cases: Cases, candidates: list[str], *, device: str = "cpu"
    ) -> np.ndarray:
        """Return the log-likelihood of each candidate, (n_cases, n_candidates).

        Each distinct text is encoded once, and each of its candidates is decoded
        once whatever the number of participants, unless these have adapters.
        """
        n, m = len(cases.text), len(candidates)
        scores, _ = self._score(
            cases.texts,
            candidates,
            np.repeat(cases.text, m),
            np.tile(np.arange(m), n),
            np.repeat(cases.person, m),
            device,
        )
        return scores.reshape(n, m)

    def _score(
        self,
        texts: list[str],
        responses: list[str],
        text: np.ndarray,
        response: np.ndarray,
        person: np.ndarray,
        device: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score rows, each a text, a response and a person."""
        module = open_model(self, device)
        encoded = module.tokenize_responses(responses)
        lengths = np.array([len(ids) for ids in encoded])
        adapted = person if self.adapters is not None else np.full(len(person), -1)
        key = np.column_stack([text, response, adapted])
        pairs, inverse = np.unique(key, axis=0, return_inverse=True)
        inverse = inverse.ravel()
        by_pair = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[by_pair], np.arange(len(pairs) + 1))
        scores = np.zeros(len(text))
        biases = self._biases(device)
        for block, states, mask in self._encoded(module, texts, device):
            inside = np.flatnonzero(
                (pairs[:, 0] >= block.start) & (pairs[:, 0] < block.stop)
            )
            inside = inside[np.argsort(lengths[pairs[inside, 1]], kind="stable")]
            for begin in range(0, len(inside), _BATCH):
                part = inside[begin : begin + _BATCH]
                place = torch.as_tensor(pairs[part, 0] - block.start, device=device)
                labels = _pad([encoded[j] for j in pairs[part, 1]], device)
                codes = torch.as_tensor(pairs[part, 2], device=device)
                with torch.inference_mode():
                    logits = module.decode(states[place], mask[place], labels, codes)
                    own = [by_pair[starts[i] : starts[i + 1]] for i in part]
                    counts = np.array([len(rows) for rows in own])
                    rows = np.concatenate(own)
                    scores[rows] = self._sum_up(
                        logits.float(),
                        labels,
                        np.repeat(np.arange(len(part)), counts),
                        person[rows],
                        biases,
                    )
        return scores, lengths

    def _sum_up(
        self,
        logits: Tensor,
        labels: Tensor,
        pair: np.ndarray,
        person: np.ndarray,
        biases: Tensor,
    ) -> np.ndarray:
        """Return log-likelihoods of pairs as written by some people."""
        device = logits.device
        tokens = torch.as_tensor(self.tokens, device=device)
        k = len(tokens)
        place = torch.full((logits.shape[-1],), k, device=device)
        place[tokens] = torch.arange(k, device=device)
        real = labels != IGNORED
        written = labels.clamp(min=0)
        chosen = logits.gather(2, written[..., None])[..., 0]
        place = place[written]
        few = condense(logits, tokens)
        result = []
        step = max(1, _MAX_ENTRIES // (labels.shape[1] * (k + 1)))
        for begin in range(0, len(pair), step):
            at = torch.as_tensor(pair[begin : begin + step], device=device)
            who = torch.as_tensor(person[begin : begin + step], device=device)
            bias = _rows_of(biases, who)
            own = chosen[at] + bias.gather(1, place[at])
            whole = (few[at] + bias[:, None]).logsumexp(dim=-1)
            logs = torch.where(real[at], own - whole, 0.0)
            result.append(logs.double().sum(dim=1).cpu().numpy())
        return np.concatenate(result)

    def _biases(self, device: str, biases: np.ndarray | None = None) -> Tensor:
        """Return biases of people and, last, of new ones; 0 for all other tokens."""
        table = self.biases if biases is None else biases
        whole = np.zeros((len(table) + 1, len(self.tokens) + 1), dtype=np.float32)
        whole[:-1, :-1] = table
        whole[:, :-1] += self.shared
        return torch.as_tensor(whole, device=device)

    def _encoded(
        self, module: Seq2SeqModel, texts: list[str], device: str
    ) -> Iterator[tuple[range, Tensor, Tensor]]:
        """Yield texts, block by block, with their states and masks."""
        column = module.tokenize(texts, np.arange(len(texts))[:, None])
        lengths = np.array([len(ids) for ids in column.encoded["input_ids"]])
        for start in range(0, len(texts), _BLOCK):
            block = range(start, min(start + _BLOCK, len(texts)))
            width = max(1, int(lengths[block.start : block.stop].max()))
            states: Tensor | None = None
            mask = torch.zeros(len(block), width, dtype=torch.long, device=device)
            order = start + np.argsort(lengths[block.start : block.stop], kind="stable")
            for begin in range(0, len(order), _BATCH):
                rows = order[begin : begin + _BATCH]
                tokens = _batch(column, rows, device)
                with torch.inference_mode():
                    found = module.encode(tokens)
                if states is None:
                    states = found.new_zeros(len(block), width, found.shape[2])
                states[rows - start, : found.shape[1]] = found
                mask[rows - start, : found.shape[1]] = tokens["attention_mask"]
            assert states is not None
            yield block, states, mask

    # ---------------------------------------------------------------- writing

    def generate(
        self,
        cases: Cases,
        options: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        biases: np.ndarray | None = None,
        adapted: np.ndarray | None = None,
        device: str = "cpu",
    ) -> list[str]:
        """Write a response for each case.

        Parameters
        ----------
        cases : Cases
            Who writes about what.
        options : mapping, default=None
            Settings of generation, see :func:`generation_config`. None is greedy.
        seed : int, default=0
            Of sampling; the global seed of torch stays as it is.
        biases : ndarray of shape (n_people, K), default=None
            Biases that ``cases.person`` refers to instead of those learned.
        adapted : ndarray of int of shape (n_cases,), default=None
            Whose adapters each case has, -1 for none; None is those of
            ``cases.person``, or none together with ``biases``.
        device : str, default="cpu"
            Where it is computed.
        """
        from transformers import LogitsProcessorList
        from transformers.modeling_outputs import BaseModelOutput

        module = open_model(self, device)
        settings = generation_config(module, options, self.longest)
        table = self._biases(device, biases)
        if adapted is None and biases is None:
            adapted = cases.person
        tokens = torch.as_tensor(self.tokens, device=device)
        texts = [""] * len(cases.text)
        devices = [torch.device(device).index or 0] if "cuda" in device else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(seed)
            for block, states, mask in self._encoded(module, cases.texts, device):
                inside = np.flatnonzero(
                    (cases.text >= block.start) & (cases.text < block.stop)
                )
                for begin in range(0, len(inside), _BATCH):
                    rows = inside[begin : begin + _BATCH]
                    place = torch.as_tensor(
                        cases.text[rows] - block.start, device=device
                    )
                    who = torch.as_tensor(cases.person[rows], device=device)
                    bias = _rows_of(table, who)
                    adapters = module.participant_adapters
                    context: Any = nullcontext()
                    if adapters is not None and adapted is not None:
                        whose = torch.as_tensor(adapted[rows], device=device)
                        context = adapters.participants(
                            whose.repeat_interleave(settings.num_beams or 1)
                        )
                    with context:
                        written = module.network.generate(
                            encoder_outputs=BaseModelOutput(
                                last_hidden_state=states[place]
                            ),
                            attention_mask=mask[place],
                            generation_config=settings,
                            logits_processor=LogitsProcessorList(
                                [_BiasedLogits(tokens, bias[:, :-1])]
                            ),
                        )
                    found = module.tokenizer.batch_decode(
                        written, skip_special_tokens=True
                    )
                    for row, text in zip(rows, found, strict=True):
                        texts[row] = text.strip()
        return texts

    def token_names(self) -> list[str]:
        """Return the tokens with biases as the tokenizer writes them."""
        module = open_model(self, "cpu")
        return list(module.tokenizer.convert_ids_to_tokens(self.tokens.tolist()))


def generation_config(
    module: Seq2SeqModel, options: Mapping[str, Any] | None, longest: int
) -> Any:
    """Return settings of generation.

    Those that come with the pretrained model, such as a shortest length, are not
    used: they are for another task than the judgments.

    Parameters
    ----------
    module : Seq2SeqModel
        Whose tokens begin, end and fill responses.
    options : mapping or None
        Such as ``num_beams``, ``do_sample``, ``temperature``, ``top_k``, ``top_p`` or
        ``max_new_tokens``, which is twice the longest response seen by default. No
        response is empty or has special tokens such as fillers.
    longest : int
        Number of tokens of that response.

    Raises
    ------
    ValueError
        If there is no setting of a name, or one has no effect.
    """
    import transformers

    make: Any = transformers.GenerationConfig
    options = dict(options or {})
    known = set(make().to_dict())
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(
            f"generation has the setting {unknown[0]!r}, which there is not. It may "
            "have those of transformers.GenerationConfig, such as num_beams, "
            "do_sample, temperature, top_k, top_p, max_new_tokens."
        )
    if options.get("num_return_sequences", 1) != 1:
        raise ValueError(
            "generation must write one response per row. Got num_return_sequences="
            f"{options['num_return_sequences']!r}; simulate draws several."
        )
    if not options.get("do_sample"):
        for name in ("temperature", "top_k", "top_p"):
            if options.get(name) is not None:
                raise ValueError(
                    f"generation has {name}={options[name]!r}, which has no effect "
                    "without do_sample=True."
                )
    if "max_length" not in options:
        options.setdefault("max_new_tokens", _LONGER * longest)
    if "min_length" not in options:
        options.setdefault("min_new_tokens", module.n_leading + 1)  # none is empty
    options.setdefault("suppress_tokens", module.unwritten)
    if options.get("do_sample"):
        options.setdefault("top_k", 0)  # all tokens
    return make(**special_tokens(module), **options)


def special_tokens(module: Seq2SeqModel) -> dict[str, Any]:
    """Return the tokens that begin, end and fill responses."""
    return {
        "pad_token_id": module.tokenizer.pad_token_id,
        "eos_token_id": module.tokenizer.eos_token_id,
        "decoder_start_token_id": module.start,
    }


class _BiasedLogits:
    """Adds the biases of the rows to the scores of the next token."""

    def __init__(self, tokens: Tensor, biases: Tensor) -> None:
        self.tokens, self.biases = tokens, biases

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        rows = self.biases.repeat_interleave(len(scores) // len(self.biases), dim=0)
        # Beams are compared by sums of scores, which must be log-probabilities.
        return scores.index_add(1, self.tokens, rows.to(scores)).log_softmax(dim=-1)


#: The model used last, with what it was made of.
_last: tuple[tuple[Any, ...], Seq2SeqModel] | None = None


def open_model(model: ResponseModel, device: str) -> Seq2SeqModel:
    """Return the network of a model, the same one while the same one is asked for.

    Raises
    ------
    OSError
        If the pretrained model is not there.
    ValueError
        If it is not the one whose weights were changed.
    """
    import transformers

    global _last
    modules = model.target_modules
    key = (
        os.fspath(model.model),
        model.max_length,
        None if modules is None else tuple(modules),
        model.digest,
        device,
    )
    if _last is not None and _last[0] == key:
        return _last[1]
    table = model.adapters
    module = Seq2SeqModel(
        model.model,
        max_length=model.max_length,
        target_modules=modules,
        n_participants=0 if table is None else len(table),
        participant_rank=model.participant_rank or 1,
    )
    module.load_weights(model.weights)
    if table is not None:
        assert module.participant_adapters is not None
        module.participant_adapters.table.set_effects(torch.as_tensor(table))
    make: Any = transformers.GenerationConfig
    module.network.generation_config = make(**special_tokens(module))
    module = module.to(device).eval()
    _last = key, module
    return module


def _rows_of(table: Tensor, people: Tensor) -> Tensor:
    """Return the rows of people; the last is that of those who have none."""
    last = len(table) - 1
    return table[torch.where((people < 0) | (people >= last), last, people)]


def _pad(rows: list[list[int]], device: str) -> Tensor:
    """Return tokens as a table, -100 where there is none."""
    table = np.full((len(rows), max(map(len, rows))), IGNORED)
    for row, ids in enumerate(rows):
        table[row, : len(ids)] = ids
    return torch.as_tensor(table, device=device)


def _batch(column: TokenColumn, rows: np.ndarray, device: str) -> dict[str, Tensor]:
    """Return the tokens of some texts in their order."""
    batch = column.take(rows).batch()
    places = batch.pop("places")[:, 0]
    return {name: value[places].to(device) for name, value in batch.items()}

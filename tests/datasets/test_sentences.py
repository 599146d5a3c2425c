import numpy as np
import pytest

from bead_sklearn.datasets._lexicon import CLASS_RANGES, RATINGS, WORD_CLASSES, WORDS
from bead_sklearn.datasets._sentences import (
    Template,
    draw_sentences,
    text_covariance,
    word_weights,
)
from bead_sklearn.datasets._tasks import TASKS


def test_every_word_stands_in_one_class_only():
    assert len(set(WORDS)) == len(WORDS) == len(RATINGS)
    for name, words in WORD_CLASSES.items():
        assert tuple(WORDS[k] for k in CLASS_RANGES[name]) == words


@pytest.mark.parametrize("task", TASKS)
def test_texts_are_distinct_sentences_with_the_words_of_their_slots(task):
    templates = TASKS[task].templates
    sentences = draw_sentences(templates, 3000, np.random.RandomState(0))
    assert len(set(zip(*sentences.columns, strict=True))) == 3000
    for texts, slots in zip(
        zip(*sentences.columns, strict=True), sentences.slots[:200], strict=False
    ):
        for text in texts:
            assert text[0].isupper()
            assert text.endswith(".")
            assert "  " not in text
            assert "{" not in text
        joined = " ".join(texts).lower()
        words = [WORDS[position].lower() for position in slots if position >= 0]
        assert all(word in joined for word in words)
        assert len(set(words)) == len(words)


def test_article_before_a_vowel():
    template = Template(("A {0} sees a {1}.",), ("person", "object"))
    filling = [WORDS.index("engineer"), WORDS.index("alarm")]
    assert template.render(filling) == ("An engineer sees an alarm.",)
    filling = [WORDS.index("teacher"), WORDS.index("book")]
    assert template.render(filling) == ("A teacher sees a book.",)


def test_size_counts_the_fillings():
    n, m = len(WORD_CLASSES["person"]), len(WORD_CLASSES["verb"])
    assert Template(("",), ("person", "verb", "person")).size() == n * (n - 1) * m


def test_too_many_texts():
    templates = (Template(("The {0}.",), ("verb",)),)
    with pytest.raises(ValueError, match="25 different texts were asked for"):
        draw_sentences(templates, 25, np.random.RandomState(0))


def test_weights_are_the_same_for_a_word_in_every_task():
    binary = word_weights(("response",), np.ones(1), TASKS["binary"].templates)
    ordinal = word_weights(("response",), np.ones(1), TASKS["ordinal"].templates)
    np.testing.assert_array_equal(binary, ordinal)
    assert (binary[-1] == 0).all()
    assert (binary[list(CLASS_RANGES["embedding_verb"])] == 0).all()
    verbs = list(CLASS_RANGES["verb"])
    assert np.corrcoef(binary[verbs, 0], RATINGS[verbs])[0, 1] > 0.9
    np.testing.assert_allclose(binary[verbs].mean(), 0, atol=1e-12)


@pytest.mark.parametrize("task", ["binary", "categorical", "free_text"])
def test_text_covariance_is_that_of_drawn_texts(task):
    templates = TASKS[task].templates
    outputs = ("a", "b")
    weights = word_weights(outputs, np.array([1.0, -0.5]), templates)
    random_state = np.random.RandomState(0)
    n = 40_000
    drawn = []
    for template in templates:
        slots = template.draw(n, random_state)
        drawn.append(weights[slots].sum(axis=1))
    effects = np.concatenate(drawn)
    expected = text_covariance(weights, templates)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(
        np.cov(effects.T, bias=True) / scale, expected / scale, atol=0.03
    )
    np.testing.assert_allclose(effects.mean(axis=0), 0, atol=0.03)

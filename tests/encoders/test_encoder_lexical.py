"""The encoders that read no meaning: `random` nothing at all, `tfidf` words."""

import numpy as np
import pytest

from encoders import CachedEncoder, UsageError, load_encoder
from encoders.lexical import HashedTerms, TermVectors

FILMS = ["a war film about a war hero", "a film about a war", "a film about love", "a love story", "love and war"] * 4
CORPUS = [f"{text} number{row}" for row, text in enumerate(FILMS)]


def test_random_vectors_depend_on_the_text_alone_and_share_nothing() -> None:
    encoder = load_encoder("random", cache=False)
    texts = [f"text {row}" for row in range(400)]
    vectors = encoder.encode(texts)
    assert np.array_equal(encoder.encode(texts[::-1]), vectors[::-1])
    cosines = vectors @ vectors.T - np.eye(len(texts))
    # Of uniform directions in 64 dimensions a cosine has mean 0 and standard deviation 1/8.
    assert abs(cosines.mean()) < 0.01
    assert cosines.std() == pytest.approx(1 / 8, rel=0.1)


def test_texts_with_the_same_rare_words_are_near_whatever_common_words_they_share() -> None:
    texts = [*CORPUS, "zebra film", "zebra hat", "film hat"]
    encoder = HashedTerms().fit(texts)
    zebra, other, film = encoder.encode(["a zebra", "the zebra", "a film"])
    assert zebra @ other > 0.9
    assert zebra @ other > zebra @ film + 0.3


def test_rare_words_weigh_as_the_equation_says() -> None:
    corpus = ["war war film", "film", "film love", "love"]
    encoder = TermVectors(corpus)
    weights = encoder._words.transform(["war war film love"]).toarray()[0]
    # War stands in one text alone, so it does not count; of N = 4 texts, 3 have film and 2 have love.
    film, love = (1 + np.log(5 / (1 + texts)) for texts in (3, 2))
    expected = np.array([film, love]) / np.hypot(film, love)
    names = list(encoder._words.get_feature_names_out())
    assert names == ["film", "love"]
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_a_corpus_is_learnt_from_where_one_is_given_and_told_in_the_fingerprint() -> None:
    plain, fitted, other = (load_encoder("tfidf", corpus=corpus) for corpus in (None, CORPUS, CORPUS[1:]))
    assert isinstance(fitted, CachedEncoder)
    assert len({plain.fingerprint, fitted.fingerprint, other.fingerprint}) == 3
    assert load_encoder("tfidf", corpus=CORPUS).fingerprint == fitted.fingerprint
    assert fitted.encode(CORPUS).shape == (20, fitted.dim)
    assert load_encoder("tiny", corpus=CORPUS).fingerprint == load_encoder("tiny").fingerprint


def test_a_text_without_a_known_word_has_a_vector_all_the_same() -> None:
    encoder = HashedTerms().fit(CORPUS)
    vectors = encoder.encode(["xyzzy", "plugh"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(HashedTerms().encode(["?!"]), axis=1), 1.0, atol=1e-6)


def test_texts_that_share_no_word_are_refused() -> None:
    with pytest.raises(UsageError, match="no word stands in two of the texts"):
        HashedTerms().fit(["one", "two", "three"])

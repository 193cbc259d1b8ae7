"""Principal components of a small cloud, by hand."""

import numpy as np
import pytest

from encoders.errors import UsageError
from envs.text.features import PrincipalComponents

# Around (10, 20): two units along the first axis, one along the second.
CLOUD = np.array([[12, 20], [8, 20], [10, 21], [10, 19]], dtype=np.float32)


def test_components_are_the_axes_of_most_variance_with_a_fixed_sign() -> None:
    components = PrincipalComponents.fit(CLOUD, 2)
    np.testing.assert_allclose(components.mean, [10, 20])
    np.testing.assert_allclose(components.components, np.eye(2), atol=1e-6)
    turned = PrincipalComponents.fit(CLOUD @ np.array([[0, 1], [1, 0]], dtype=np.float32), 1)
    np.testing.assert_allclose(turned.components, [[0, 1]], atol=1e-6)


def test_features_are_centred_unit_vectors() -> None:
    components = PrincipalComponents.fit(CLOUD, 2)
    features = components(np.array([[13, 24], [10, 20], [7, 20]], dtype=np.float32))
    np.testing.assert_allclose(features, [[0.6, 0.8], [0, 0], [-1, 0]], atol=1e-6)
    assert features.dtype == np.float32


def test_with_all_components_cosines_are_those_of_the_centred_vectors() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32) + 5
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    features = PrincipalComponents.fit(vectors, 6)(vectors)
    np.testing.assert_allclose(features @ features.T, centred @ centred.T, atol=1e-5)


@pytest.mark.parametrize("number", [0, 3, -1])
def test_more_components_than_there_are_is_refused(number: int) -> None:
    with pytest.raises(UsageError, match=f"num_features is {number}"):
        PrincipalComponents.fit(CLOUD, number)

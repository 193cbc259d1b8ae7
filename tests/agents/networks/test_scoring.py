"""The two-tower network."""

import dataclasses
from typing import Any

import pytest
import torch
from sketches import make_observation, make_spec
from torch import Tensor

from agents.networks.reader import Reader
from agents.networks.scoring import NETWORKS, TwoTower, build_network
from agents.streams import Streams
from envs.interface import take_candidates

HEADS, STATE_HEADS = 3, 2


def make_network(*, seed: int = 0, num_items: int = 20, static: bool = False) -> TwoTower:
    return TwoTower(
        user_width=5,
        item_width=4,
        num_items=num_items,
        num_heads=HEADS,
        num_state_heads=STATE_HEADS,
        static_items=static,
        hidden=8,
        embedding=3,
        streams=Streams(seed, torch.device("cpu")),
    )


def shake(network: TwoTower, seed: int = 1) -> TwoTower:
    """Give every weight a value, the zeros too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.3)
    return network


def make_inputs(batch: int = 7, **spec: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    sizes = make_spec(**spec)
    observation = make_observation(sizes, batch, torch.Generator().manual_seed(5))
    return observation["user"], *Reader(sizes).items(observation)


def test_outputs_start_at_zero() -> None:
    out, state = make_network()(*make_inputs())
    assert out.shape == (7, HEADS, 6)
    assert state.shape == (7, STATE_HEADS)
    assert not out.any()
    assert not state.any()


@torch.no_grad()
def test_outputs_are_those_of_an_explicit_loop() -> None:
    network = shake(make_network())
    user_BU, features_BMF, ids_BM = make_inputs()
    assert ids_BM is not None
    out_BHM, _ = network(user_BU, features_BMF, ids_BM)
    assert network.embedding is not None
    assert network.id_bias is not None
    for row in range(7):
        hidden = torch.relu(network.user_norm(network.user_hidden(user_BU[row])))
        towers = network.user_out(hidden).view(HEADS, 5)
        for place in range(6):
            item = int(ids_BM[row, place])
            inputs = torch.cat([features_BMF[row, place], network.embedding.weight[0, item]])
            depth = torch.relu(network.item_norm(network.item_hidden(inputs)))
            vector = network.item_out(depth)
            for head in range(HEADS):
                product = float(towers[head, :4] @ vector) / 4**0.5
                bias = towers[head, 4] + network.item_bias(depth)[head] + network.id_bias.weight[0, item, head]
                assert float(out_BHM[row, head, place]) == pytest.approx(product + float(bias), abs=1e-5)


def test_permuting_candidates_permutes_outputs_and_leaves_the_state() -> None:
    for static in (False, True):
        network = shake(make_network(static=static))
        user_BU, features_BMF, ids_BM = make_inputs()
        assert ids_BM is not None
        order = torch.tensor([3, 1, 5, 0, 4, 2])
        out, state = network(user_BU, features_BMF, ids_BM)
        permuted, same_state = network(user_BU, features_BMF[:, order], ids_BM[:, order])
        torch.testing.assert_close(permuted, out[:, :, order], rtol=1e-5, atol=1e-6)
        assert torch.equal(state, same_state)


def test_encoding_each_item_once_changes_neither_outputs_nor_gradients() -> None:
    inputs = make_inputs(batch=30)
    results = []
    for static in (False, True):
        network = shake(make_network(static=static))
        out, state = network(*inputs)
        weights = torch.linspace(-1, 1, out.numel()).view_as(out)
        ((out * weights).sum() + state.square().sum()).backward()
        results.append((out.detach(), [weight.grad for weight in network.parameters()]))
    (direct, direct_gradients), (once, once_gradients) = results
    torch.testing.assert_close(direct, once, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(direct_gradients, once_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_without_ids_there_is_no_table() -> None:
    network = shake(make_network(num_items=0))
    user_BU, features_BMF, _ = make_inputs()
    assert network.embedding is None
    assert network.id_bias is None
    out, _ = network(user_BU, features_BMF, None)
    assert out.shape == (7, HEADS, 6)
    assert out.std() > 0


def test_one_seed_gives_one_network_and_leaves_the_global_stream_alone() -> None:
    before = torch.get_rng_state()
    ours, theirs, other = (make_network(seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert not torch.equal(ours["item_hidden.weight"], other["item_hidden.weight"])


def test_item_inputs_are_features_then_popularity_with_ids_apart() -> None:
    spec = make_spec()
    observation = make_observation(spec, 4, torch.Generator().manual_seed(0))
    features, ids = Reader(spec).items(observation)
    assert ids is not None
    assert torch.equal(features[..., :3], observation["candidates"])
    assert torch.equal(features[..., 3], observation["popularity"])
    assert torch.equal(ids, observation["candidate_ids"])
    slate_BK = torch.tensor([[5, 0], [1, 2], [3, 4], [0, 5]])
    shown, shown_ids = Reader(spec).items(observation, slate_BK)
    assert shown_ids is not None
    assert torch.equal(shown, take_candidates(features, slate_BK))
    assert torch.equal(shown_ids, ids.gather(1, slate_BK))


def test_item_inputs_do_without_what_is_not_observed() -> None:
    spec = make_spec(optional=False)
    observation = make_observation(spec, 4, torch.Generator().manual_seed(0))
    reader = Reader(spec)
    features, ids = reader.items(observation)
    assert ids is None
    assert torch.equal(features, observation["candidates"])
    assert reader.keys == ("user", "candidates")


def _build(name: str, **shapes: int) -> tuple[Any, Reader]:
    spec = make_spec(candidates=4, slate=2)
    if shapes:
        spec = dataclasses.replace(spec, shapes={**spec.shapes, **{key: (width,) for key, width in shapes.items()}})
    reader = Reader(spec)
    sizes: dict[str, Any] = {"num_heads": 3, "num_state_heads": 2, "hidden": 8, "embedding": 4}
    return build_network(name, spec, reader, **sizes, streams=Streams(0, torch.device("cpu"))), reader


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_starts_at_zero_and_scores_a_candidate_wherever_it_stands(name: str) -> None:
    network, reader = _build(name)
    generator = torch.Generator().manual_seed(1)
    user_BU = torch.randn(5, reader.user_width, generator=generator)
    # What is static has the same features wherever its id occurs.
    table_NF = torch.randn(20, reader.item_width, generator=generator)
    ids_BM = torch.randint(20, (5, 4), generator=generator)
    out_BHM, state_BS = network(user_BU, table_NF[ids_BM], ids_BM)
    assert (out_BHM.shape, state_BS.shape) == ((5, 3, 4), (5, 2))
    assert not out_BHM.any()
    assert not state_BS.any()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator))
    out_BHM, _ = network(user_BU, table_NF[ids_BM], ids_BM)
    order = torch.tensor([2, 0, 3, 1])
    turned_BHM, _ = network(user_BU, table_NF[ids_BM[:, order]], ids_BM[:, order])
    torch.testing.assert_close(turned_BHM, out_BHM[:, :, order])
    one_BHM, _ = network(user_BU[2:3], table_NF[ids_BM[2:3]], ids_BM[2:3])
    torch.testing.assert_close(one_BHM, out_BHM[2:3])
    assert out_BHM.std(dim=0).min() > 0


def test_feature_heads_are_linear_in_the_features() -> None:
    network, reader = _build("feature_heads")
    torch.nn.init.normal_(network.out.weight, generator=torch.Generator().manual_seed(2))
    user_BU = torch.randn(3, reader.user_width)
    one, other = torch.randn(3, 1, reader.item_width), torch.randn(3, 1, reader.item_width)
    base, _ = network(user_BU, torch.zeros_like(one), None)
    added = network(user_BU, one, None)[0] + network(user_BU, other, None)[0] - base
    torch.testing.assert_close(network(user_BU, one + other, None)[0], added)


def test_an_observed_budget_stands_beside_the_user() -> None:
    network, reader = _build("two_tower", budget=1)
    assert "budget" in reader.keys
    observation = {"user": torch.zeros(2, 5), "budget": torch.tensor([[0.25], [1.0]])}
    assert reader.user(observation)[:, -1].tolist() == [0.25, 1.0]
    assert network.user_hidden.weight.shape[-1] == reader.user_width == 6

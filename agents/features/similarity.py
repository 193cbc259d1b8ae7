"""How near the candidates are to the user's profile."""

from torch import Tensor

from envs.interface import Observation


def profile_cosines(observation: Observation) -> Tensor:
    """Return the cosine of profile and candidate, (B, M); 0 where one of the two is 0.

    The profile is the first D entries of ``user``, in the space of the item features.
    """
    candidates_BMD = observation["candidates"]
    profile_BD = observation["user"][:, : candidates_BMD.shape[-1]]
    inner_BM = (candidates_BMD @ profile_BD.unsqueeze(2)).squeeze(2)
    lengths_BM = candidates_BMD.norm(dim=2) * profile_BD.norm(dim=1, keepdim=True)
    cosine_BM: Tensor = inner_BM / lengths_BM.clamp(min=1e-8)
    return cosine_BM

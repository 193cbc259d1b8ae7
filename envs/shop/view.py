"""What a shop sees of its users: their own words, what they bought and what they said of it once it was delivered."""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import embedding, embedding_bag, normalize

from envs.shop.items import ShopItems
from envs.shop.settings import ShopSettings
from envs.text.view import Reading, Seen, View
from envs.traces import Trace


class ShopView(View):
    """Profiles that turn from what was bought to what goes with it, and from what nobody wanted.

    Args:
        reading: the texts as an encoder has them.
        products: price, discount, category and sales, which everybody sees.
        settings: how far profiles turn.
    """

    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("slates", 1.0, 0.02),
        Trace("purchases", 0.8, 0.2, of="clicks"),
        Trace("came", 0.0, 1.0),
        Trace("verdict", 0.0, 1.0),
        Trace("recent_verdicts", 0.8, 0.2, of="verdict"),
        Trace("verdicts", 0.95, 0.05, of="verdict"),
        Trace("returns", 0.95, 0.05),
    )
    RECENT = 0.95

    settings: ShopSettings

    def __init__(self, reading: Reading, products: ShopItems, settings: ShopSettings) -> None:
        super().__init__(reading, products.popularity, settings, products.marks())
        self._categories = products.categories
        sums_CD = products.genres.T @ self.vectors
        self.centres = normalize(sums_CD, dim=1)
        """(C, D) unit mean text features of each category."""
        self.beside = normalize(products.follows @ sums_CD, dim=1)
        """(C, D) unit mean text features of what goes with each category."""

    def turned(self, profile_BD: Tensor, seen: Seen, clicked_BD: Tensor) -> Tensor:
        """Turn from the category bought to what goes with it, and to what sets the product apart in its category.

        Without a purchase, turn away from the categories that were shown.
        """
        settings, click_B1 = self.settings, seen.click.unsqueeze(1)
        category_B = self._categories[seen.item]
        centre_BD = click_B1 * embedding(category_B, self.centres)
        beside_BD = click_B1 * embedding(category_B, self.beside)
        refused_BD = (1 - click_B1) * embedding_bag(self._categories[seen.items], self.centres, mode="mean")
        turn_BD = settings.profile_turn * (beside_BD - centre_BD) + settings.profile_drift * (clicked_BD - centre_BD)
        return normalize(profile_BD + turn_BD - settings.profile_tiring * refused_BD, dim=1)

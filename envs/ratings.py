"""Your own catalogue and ratings, made into an environment as Movies-v0 makes MovieLens: `slatelab/Ratings-v0`."""

from dataclasses import dataclass
from typing import ClassVar

from encoders.errors import UsageError
from envs.catalog import DataSet
from envs.folder import load_folder
from envs.movies import Movies
from envs.movies_settings import MoviesSettings
from envs.simulator import Anchor
from envs.tables.fields import Fields
from envs.tables.sequences import AUTO
from envs.text.settings import absolute


@dataclass(frozen=True, kw_only=True)
class RatingsSettings(MoviesSettings):
    """Settings of `slatelab/Ratings-v0`."""

    PLACES: ClassVar[tuple[str, ...]] = (*MoviesSettings.PLACES, "data")

    data: str = ""
    """Folder of ratings and items: RecBole's atomic files, MovieLens' own files, or two csv files."""
    user_field: str = ""
    """Column of the user ids; without a name, as for all columns, the first that looks like it."""
    item_field: str = ""
    """Column of the item ids, in both files."""
    rating_field: str = ""
    """Column of the ratings."""
    time_field: str = ""
    """Column of the times; the order of the lines where there is none."""
    title_field: str = ""
    """Column of the titles."""
    genre_field: str = ""
    """Column of the genres; `none` for no genres."""
    genre_separator: str = AUTO
    """What stands between two genres: a text, `lists` where each entry is a list, `none` where it is one genre."""
    text_fields: tuple[str, ...] = ()
    """Further columns of the items' file that the encoder reads."""
    min_ratings: int = 5
    """Items with fewer ratings are left out."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, before anything is loaded; the folder is named from the root on."""
        super().__post_init__()
        if self.data:
            object.__setattr__(self, "data", absolute(self.data))

    def fields(self) -> Fields:
        """Return the columns that are named."""
        return Fields(
            user=self.user_field,
            item=self.item_field,
            rating=self.rating_field,
            time=self.time_field,
            title=self.title_field,
            genre=self.genre_field,
            genre_separator=self.genre_separator,
            texts=self.text_fields,
        )


class Ratings(Movies):
    """Your own catalogue for users fitted on your own ratings, under the dynamics of Movies-v0.

    Description:
        As `Movies`, for the catalogue and the ratings in a folder of yours, see `envs.folder.load_folder`. Text
        features are the encoder's vectors of "title. Genres: …", users are drawn around your raters.

        Ratings may be on any scale, since preferences are standardised over the catalogue, and those on an uneven one
        (play counts, seconds) count by their ranks; the stars that a user tells are 1 to 5 all the same. Without a
        genre column nobody is ever satiated. Feedback that is all alike, or has no ratings (implicit feedback), makes a
        world of engagement alone: users differ in what they are drawn to, their affinities are all 0, so satisfaction
        follows from variety alone, and everybody tells 3 stars. A small folder gets fewer directions of interest (one
        for twenty raters and items, at least 2, at most 32); where everybody rated everything, nobody is drawn to
        anything, and that is refused.

    Observation:
        As `Movies`.

    Action:
        As `Movies`.

    Reward:
        1 for a click, else 0.

    User model:
        As `Movies`.

    Episode end:
        As `Movies`.

    Arguments:
        The fields of `RatingsSettings`; ``data`` has to be given.

    Anchors:
        None: returns depend on your data. Measure them with

        ``slatelab train --env slatelab/Ratings-v0 --env.data FOLDER --agent random --steps 0 --eval-users 1000``

        As an example, MovieLens 100k as RecBole carries it gives 1,349 films. The root mean squared error on hidden
        ratings of the test raters is 0.924 stars, 0.954 for biases alone and 1.012 for the films' means, and 1,000
        users of the test split return

        random         17.87 [17.40, 18.37]
        cosine         18.57 [18.03, 19.10]
        popularity     22.55 [22.01, 23.11]
        hand_rule      23.18 [22.58, 23.76]
        myopic_oracle  23.98 [23.39, 24.57]
        near_oracle    36.18 [35.59, 36.78]

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[MoviesSettings]] = RatingsSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = ()

    settings: RatingsSettings

    def load_dataset(self) -> DataSet:
        """Read the folder.

        Raises:
            UsageError: no folder is given, or its files are missing or malformed.
        """
        settings = self.settings
        if not settings.data:
            raise UsageError(
                "slatelab/Ratings-v0 needs your data: give --env.data FOLDER, in Python data=FOLDER, a folder with "
                "RecBole's atomic files NAME.inter and NAME.item, MovieLens' own files, or two csv files"
            )
        return load_folder(settings.data, settings.fields())

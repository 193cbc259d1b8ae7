"""What products and personas of Shop-v0 are put together from: word lists by category, all brands invented."""

from typing import NamedTuple


class Category(NamedTuple):
    """A kind of product: what it is called, what it costs, what it has, and what is needed beside it."""

    wanted: str
    """As in `I need a tent`."""
    plural: str
    price: int
    """Euros, the median."""
    nouns: tuple[str, ...]
    features: tuple[str, ...]
    follows: tuple[int, int]
    """Categories that a good one makes people want: one of the same group and one of another."""


class Group(NamedTuple):
    """Categories that the same people want."""

    brands: tuple[str, ...]
    lives: tuple[str, ...]
    """How a persona who wants them lives, as in `I camp in the hills`."""
    categories: tuple[Category, ...]


GROUPS = (
    Group(
        ("Norrvald", "Tarnfell", "Ostrava Peak", "Kestrine", "Brackmoor", "Halvik"),
        (
            "walk long trails in the hills",
            "camp with friends every summer",
            "spend most weekends outdoors",
            "am planning a month on foot across the mountains",
            "lead a scout group",
        ),
        (
            Category(
                "a tent",
                "tents",
                240,
                ("dome tent", "tunnel tent", "trekking tent", "family tent"),
                ("aluminium poles", "taped seams", "two porches", "a sewn-in floor", "a mesh inner tent"),
                (1, 8),
            ),
            Category(
                "a sleeping bag",
                "sleeping bags",
                130,
                ("down sleeping bag", "summer sleeping bag", "mummy sleeping bag", "quilt sleeping bag"),
                ("a two-way zip", "a draught collar", "a cotton lining", "a stuff sack", "a warm foot box"),
                (2, 6),
            ),
            Category(
                "hiking boots",
                "hiking boots",
                160,
                ("hiking boots", "mountain boots", "trail boots", "winter boots"),
                ("a waterproof membrane", "a stiff sole", "padded ankles", "a rubber toe cap", "waxed laces"),
                (3, 18),
            ),
            Category(
                "a rucksack",
                "rucksacks",
                110,
                ("trekking rucksack", "day rucksack", "climbing rucksack", "travel rucksack"),
                ("a rain cover", "a padded hip belt", "side pockets", "an air gap at the back", "a lid pocket"),
                (0, 7),
            ),
        ),
    ),
    Group(
        ("Casa Merlo", "Fennimore", "Pellegard", "Oven & Ash", "Sturebro", "Lindhaven"),
        (
            "cook for four every evening",
            "have just moved into a first flat with an empty kitchen",
            "bake and cook at weekends",
            "run a supper club at home",
            "take my own lunch to work",
        ),
        (
            Category(
                "a frying pan",
                "frying pans",
                60,
                ("frying pan", "cast-iron skillet", "wok pan", "sauté pan"),
                ("a riveted handle", "a thick base", "a pouring lip", "an oven-proof grip", "a glass lid"),
                (5, 21),
            ),
            Category(
                "a kitchen knife",
                "kitchen knives",
                80,
                ("chef's knife", "bread knife", "paring knife", "vegetable knife"),
                ("a forged blade", "a walnut handle", "a full tang", "a blade guard", "a narrow tip"),
                (4, 23),
            ),
            Category(
                "a coffee maker",
                "coffee makers",
                140,
                ("filter coffee maker", "espresso maker", "moka pot", "cold brew maker"),
                ("a steel filter", "a heat-proof handle", "a spare seal", "a wide funnel", "a measuring scoop"),
                (7, 12),
            ),
            Category(
                "a lunch box",
                "lunch boxes",
                30,
                ("lunch box", "bento box", "food flask", "salad box"),
                ("a tight lid", "three compartments", "a fork in the lid", "a carrying strap", "a double wall"),
                (6, 17),
            ),
        ),
    ),
    Group(
        ("Lumaric", "Ottiker", "Velbrandt", "Iriscope", "Harrow & Light", "Montefoco"),
        (
            "photograph birds at dawn",
            "take pictures of every journey",
            "am learning photography at an evening class",
            "photograph friends' weddings",
            "keep a picture diary",
        ),
        (
            Category(
                "a camera",
                "cameras",
                620,
                ("compact camera", "mirrorless camera", "bridge camera", "instant camera"),
                ("a tilting screen", "a bright viewfinder", "two card slots", "a quiet shutter", "weather seals"),
                (10, 3),
            ),
            Category(
                "a tripod",
                "tripods",
                120,
                ("travel tripod", "studio tripod", "table tripod", "carbon tripod"),
                ("a ball head", "twist locks", "a spirit level", "rubber feet", "a quick-release plate"),
                (11, 2),
            ),
            Category(
                "a camera bag",
                "camera bags",
                90,
                ("camera shoulder bag", "camera sling", "camera holster", "camera messenger bag"),
                ("padded dividers", "a rain hood", "a side opening", "a card pocket", "a wide strap"),
                (9, 16),
            ),
            Category(
                "a photo printer",
                "photo printers",
                210,
                ("photo printer", "pocket photo printer", "wide photo printer", "desktop photo printer"),
                ("six ink tanks", "a paper tray", "borderless prints", "a card reader", "quick-drying ink"),
                (8, 14),
            ),
        ),
    ),
    Group(
        ("Quillander", "Stadt & Stift", "Borough Nine", "Hedlund Works", "Aurelio", "Tempelhof Supply"),
        (
            "work from home three days a week",
            "write a thesis in a small room",
            "am setting up an office under the roof",
            "draw and write at night",
            "spend the day in video calls",
        ),
        (
            Category(
                "a desk",
                "desks",
                320,
                ("writing desk", "standing desk", "corner desk", "folding desk"),
                ("a cable tray", "two drawers", "a solid top", "adjustable feet", "rounded edges"),
                (13, 22),
            ),
            Category(
                "an office chair",
                "office chairs",
                260,
                ("office chair", "mesh office chair", "swivel chair", "kneeling chair"),
                ("a lumbar support", "soft castors", "adjustable arms", "a tilting seat", "a breathable back"),
                (14, 19),
            ),
            Category(
                "a desk lamp",
                "desk lamps",
                70,
                ("desk lamp", "clamp lamp", "reading lamp", "drawing lamp"),
                ("a dimmer", "a jointed arm", "warm light", "a heavy foot", "a shade against glare"),
                (15, 20),
            ),
            Category(
                "headphones",
                "headphones",
                150,
                ("wireless headphones", "studio headphones", "folding headphones", "on-ear headphones"),
                ("soft ear pads", "noise cancelling", "a long battery life", "a clear microphone", "a cable to spare"),
                (12, 18),
            ),
        ),
    ),
    Group(
        ("Velocane", "Ridderfort", "Pacerow", "Corsa Verde", "Sprintwell", "Dunmarch"),
        (
            "cycle to work in all weathers",
            "train for a first half marathon",
            "ride with a club on Sundays",
            "run along the river before breakfast",
            "have sold the car and go everywhere by bicycle",
        ),
        (
            Category(
                "a bicycle",
                "bicycles",
                780,
                ("city bicycle", "touring bicycle", "gravel bicycle", "folding bicycle"),
                ("disc brakes", "a hub dynamo", "a steel frame", "eight gears", "puncture-proof tyres"),
                (17, 7),
            ),
            Category(
                "a bicycle lock",
                "bicycle locks",
                55,
                ("folding lock", "chain lock", "shackle lock", "cable lock"),
                ("a hardened bolt", "a frame bracket", "three keys", "a soft sleeve", "a dust cover"),
                (18, 10),
            ),
            Category(
                "running shoes",
                "running shoes",
                120,
                ("running shoes", "trail running shoes", "racing shoes", "cushioned running shoes"),
                ("a foam midsole", "a knitted upper", "a grippy outsole", "a wide toe box", "reflective laces"),
                (19, 15),
            ),
            Category(
                "a sports watch",
                "sports watches",
                210,
                ("running watch", "multisport watch", "heart-rate watch", "outdoor watch"),
                ("a heart-rate sensor", "a bright display", "route guidance", "a soft strap", "a week of battery"),
                (16, 0),
            ),
        ),
    ),
    Group(
        ("Beetwell", "Thornby", "Hofgrün", "Maison Tilleul", "Old Orchard", "Saltmeadow"),
        (
            "have taken over an allotment",
            "grow herbs and tomatoes on a balcony",
            "invite the neighbours to eat in the garden",
            "look after my grandparents' garden",
            "have a terrace that is still bare",
        ),
        (
            Category(
                "a garden chair",
                "garden chairs",
                95,
                ("garden chair", "deck chair", "bistro chair", "folding garden chair"),
                ("a slatted seat", "a high back", "wide arms", "galvanised fittings", "a cup holder"),
                (21, 13),
            ),
            Category(
                "a barbecue",
                "barbecues",
                190,
                ("kettle barbecue", "gas barbecue", "charcoal grill", "table grill"),
                ("a lid thermometer", "an ash drawer", "an enamelled grate", "a side shelf", "a wind shield"),
                (20, 5),
            ),
            Category(
                "a plant pot",
                "plant pots",
                35,
                ("plant pot", "hanging planter", "balcony box", "terracotta pot"),
                ("a drainage hole", "a water reservoir", "a glazed rim", "frost-proof walls", "a matching saucer"),
                (23, 11),
            ),
            Category(
                "pruning shears",
                "pruning shears",
                40,
                ("pruning shears", "hedge shears", "bypass loppers", "flower snips"),
                ("a hardened blade", "a safety catch", "padded grips", "a sap groove", "a leather holster"),
                (22, 4),
            ),
        ),
    ),
)
CATEGORIES = tuple(category for group in GROUPS for category in group.categories)

STYLES = (
    ("Rugged", "that survive rough handling"),
    ("Plain", "that look plain and quiet"),
    ("Recycled", "made from recycled materials"),
    ("Compact", "that take little room"),
    ("Classic", "made the traditional way"),
    ("Colourful", "in bright colours"),
)
"""How a product is described, and how a persona says that they like it."""

MODELS = (
    *("Alder", "Arc", "Aster", "Bay", "Birch", "Bolt", "Briar", "Cairn", "Cedar", "Clover", "Cove", "Crest"),
    *("Dale", "Drift", "Dune", "Elm", "Ember", "Fern", "Field", "Fjord", "Flint", "Glen", "Grove", "Harbour"),
    *("Hazel", "Heath", "Isle", "Juniper", "Lark", "Linden", "Maple", "Meadow", "Mist", "Moss", "North", "Oak"),
    *("Pine", "Quarry", "Reed", "Rowan", "Sable", "Slate", "Sorrel", "Summit", "Tern", "Vale", "Willow", "Wren"),
)

OVERPROMISING = (
    "Forget everything you knew about {plural}!",
    "The {plural} everyone is talking about, and nobody can put down!",
    "You will not believe that {plural} can do this!",
    "Perfect in every way, for everyone, for ever!",
    "A miracle at this price: get yours before it is too late!",
    "The last time you will ever think about {plural}!",
)
NEUTRAL = (
    "Ready to use out of the box.",
    "From our standard range of {plural}.",
    "Delivered within the week.",
    "One of several {plural} by this maker.",
)
HONEST = (
    "Not the lightest of {plural}, but made to be repaired.",
    "In use by our staff for a year, with the weak points listed below.",
    "The maker publishes the weight and the price of every part.",
    "The maker names the faults as plainly as the strengths.",
)
GUARANTEES = ("No guarantee beyond the law.", "Two-year guarantee.", "Three-year guarantee.", "Ten-year guarantee.")

BUDGETS = (
    (3.0, ("Money is tight at the moment.", "I always look for the lowest price.", "I have very little to spend.")),
    (1.5, ("I pay a fair price for a fair product.", "I compare prices, within reason.", "My budget is ordinary.")),
    (0.5, ("I would rather pay more than buy twice.", "Price matters little to me.", "I can spend what it takes.")),
)
"""Price sensitivity, and how a persona says it."""

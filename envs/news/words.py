"""The words of News-v0: sixteen sections and what happens in them, events, outlets, styles. All invented."""

from typing import NamedTuple


class Section(NamedTuple):
    """What articles are about; a sober headline is an actor, an action and a subject."""

    name: str
    lives: tuple[str, ...]
    """How a persona who cares says it, after `I`."""
    actors: tuple[str, ...]
    actions: tuple[str, ...]
    subjects: tuple[str, ...]
    neighbour: str
    """The section that some of the articles stand in as well."""


SECTIONS = (
    Section(
        "politics",
        ("follow every vote in parliament", "sit on our town council", "argue about politics at breakfast"),
        ("{p} council", "The mayor of {p}", "The opposition in {p}", "The member for {p}", "A committee in {p}"),
        ("votes on {s}", "sets out a plan for {s}", "asks for an inquiry into {s}", "seeks a compromise on {s}"),
        (
            *("party donations", "the voting age", "postal votes", "local taxes", "police numbers", "town mergers"),
            *("youth parliaments", "public petitions", "lobby registers", "council seats"),
        ),
        "world",
    ),
    Section(
        "business",
        ("run a small company", "keep an eye on the markets", "work in a bank and read the business pages first"),
        ("A {p} factory", "The {p} chamber of trade", "A start-up from {p}", "A family firm in {p}", "{p} port"),
        (
            "publishes its figures on {s}",
            "changes its forecast for {s}",
            "calls for talks on {s}",
            "warns of trouble with {s}",
        ),
        (
            *("exports", "the order book", "energy prices", "wage rounds", "steel tariffs", "apprenticeships"),
            *("container freight", "shop rents", "credit costs", "machine tools"),
        ),
        "technology",
    ),
    Section(
        "world",
        ("have lived in four countries", "like to know what happens abroad", "work for an aid charity"),
        ("A delegation in {p}", "The {p} conference", "The envoy to {p}", "A summit in {p}", "The consulate in {p}"),
        ("opens talks on {s}", "extends the deal on {s}", "finds no agreement on {s}", "calls for rules on {s}"),
        (
            *("border crossings", "fishing rights", "grain shipments", "a prisoner exchange", "visa rules"),
            *("river water", "landmine clearance", "disaster relief", "air corridors", "refugee camps"),
        ),
        "politics",
    ),
    Section(
        "courts",
        ("studied law and still read rulings", "never miss a trial report", "volunteer for a victims' charity"),
        ("The {p} court", "A judge in {p}", "The court of appeal in {p}", "A jury in {p}", "The {p} tribunal"),
        ("rules on {s}", "opens the case of {s}", "closes the file on {s}", "hears new evidence on {s}"),
        (
            *("the forged paintings", "a museum burglary", "cartel fines", "the stolen bicycles", "false invoices"),
            *("a contested will", "the arson series", "betting fraud", "the missing ledger", "a pension swindle"),
        ),
        "business",
    ),
    Section(
        "health",
        ("am a nurse on night shifts", "look after my parents", "read everything about medicine"),
        ("The {p} hospital", "A clinic in {p}", "The {p} medical school", "A surgery in {p}", "{p} health office"),
        (
            "tests a new approach to {s}",
            "publishes figures on {s}",
            "extends its service for {s}",
            "answers questions about {s}",
        ),
        (
            *("back pain", "sleep disorders", "hay fever", "hip replacements", "migraine", "blood donations"),
            *("childhood vaccination", "heart screening", "hearing loss", "home dialysis"),
        ),
        "science",
    ),
    Section(
        "science",
        ("taught physics for thirty years", "look through a telescope at night", "love to learn how things work"),
        ("A team in {p}", "The {p} observatory", "The {p} institute", "The university of {p}", "A lab in {p}"),
        (
            "publishes new findings on {s}",
            "shares its data on {s}",
            "questions old ideas about {s}",
            "finds a pattern in {s}",
        ),
        (
            *("dark matter", "the oldest fossils", "ocean currents", "bird migration", "superconductors", "cave art"),
            *("ant colonies", "the magnetic field", "deep-sea vents", "prime numbers"),
        ),
        "technology",
    ),
    Section(
        "technology",
        ("write software for a living", "repair old computers", "was the first in our street with a robot mower"),
        (
            "A {p} software house",
            "A programmer from {p}",
            "The {p} computer club",
            "A repair shop in {p}",
            "{p} library",
        ),
        ("releases a tool for {s}", "finds a flaw in {s}", "switches to {s}", "drops support for {s}"),
        (
            *("open maps", "payment apps", "home routers", "speech recognition", "electric scooters", "data backups"),
            *("satellite internet", "battery packs", "password managers", "delivery robots"),
        ),
        "science",
    ),
    Section(
        "environment",
        ("plant trees with a club", "count birds every winter", "worry about the climate my children will live in"),
        (
            "The {p} nature trust",
            "{p} forest office",
            "The {p} water board",
            "A farm near {p}",
            "A citizens' group in {p}",
        ),
        ("starts a project on {s}", "publishes a survey of {s}", "sues over {s}", "sets a target for {s}"),
        (
            *("peat bogs", "river otters", "wind farms", "soil erosion", "wild bees", "plastic waste", "city trees"),
            *("salt marshes", "wood heating", "drought reserves"),
        ),
        "science",
    ),
    Section(
        "transport",
        ("commute two hours a day by train", "cycle to work in all weathers", "drive a bus"),
        (
            "The {p} tram company",
            "{p} station",
            "The {p} transport office",
            "The {p} road office",
            "A travellers' union in {p}",
        ),
        (
            "presents plans for {s}",
            "asks travellers about {s}",
            "reports progress on {s}",
            "delays the decision on {s}",
        ),
        (
            *("night trains", "cycle lanes", "the ring road", "step-free platforms", "weekend fares", "bus shelters"),
            *("level crossings", "the old bridge", "charging points", "speed limits"),
        ),
        "politics",
    ),
    Section(
        "housing",
        ("have been looking for a flat for a year", "am restoring an old house", "rent and move too often"),
        (
            "A tenants' union in {p}",
            "A {p} builder",
            "The {p} housing office",
            "A housing co-op in {p}",
            "An architect from {p}",
        ),
        ("presents a scheme for {s}", "counts the cost of {s}", "wins a prize for {s}", "objects to {s}"),
        (
            *("rent caps", "empty offices", "timber houses", "roof insulation", "student flats", "mortgage help"),
            *("tower blocks", "garden cities", "heat pumps", "listed cottages"),
        ),
        "business",
    ),
    Section(
        "education",
        ("teach at a primary school", "have three children at school", "am back at university at forty"),
        (
            "A school in {p}",
            "The {p} teachers' union",
            "The {p} college",
            "A parents' group in {p}",
            "{p} evening school",
        ),
        ("tries out {s}", "asks for more money for {s}", "reports good results with {s}", "debates {s}"),
        (
            *("smaller classes", "school meals", "reading hours", "tablet lessons", "late starts", "maths circles"),
            *("school gardens", "language exchanges", "swimming lessons", "final exams"),
        ),
        "politics",
    ),
    Section(
        "culture",
        ("sing in a choir", "go to the cinema every week", "write poems that nobody reads"),
        ("The {p} theatre", "A gallery in {p}", "The {p} orchestra", "A publisher in {p}", "The {p} film house"),
        ("opens its season with {s}", "rediscovers {s}", "dedicates an evening to {s}", "takes a new look at {s}"),
        (
            *("silent films", "chamber operas", "street photography", "forgotten novels", "puppet plays"),
            *("folk ballads", "radio drama", "glass art", "jazz trios", "epic poems"),
        ),
        "food",
    ),
    Section(
        "food",
        ("cook for four every evening", "bake bread at weekends", "plan my holidays around restaurants"),
        ("A baker in {p}", "A restaurant in {p}", "The {p} market", "A cook from {p}", "A dairy near {p}"),
        ("wins a prize for {s}", "brings back {s}", "shares a recipe for {s}", "sells out of {s}"),
        (
            *("rye bread", "goat's cheese", "pickled plums", "bean stews", "smoked trout", "apple cakes"),
            *("wild garlic", "buckwheat pancakes", "chestnut soup", "malt vinegar"),
        ),
        "travel",
    ),
    Section(
        "travel",
        ("spend every free week on the road", "walk long trails in the hills", "collect old maps and timetables"),
        ("A guide from {p}", "A hostel in {p}", "The {p} tourist office", "A hotel in {p}", "The {p} alpine club"),
        ("opens up {s}", "limits the number of visitors to {s}", "marks a new route to {s}", "restores {s}"),
        (
            *("the cliff path", "a chain of huts", "the salt caves", "canal cruises", "the pilgrims' way"),
            *("island ferries", "the old spa", "hill villages", "the narrow-gauge railway", "the lighthouse"),
        ),
        "transport",
    ),
    Section(
        "football",
        ("have a season ticket", "coach a youth football team", "watch every match with my brother"),
        ("{p} United", "{p} Albion", "{p} Athletic", "FC {p}", "{p} Town"),
        (
            "loses its captain before {s}",
            "trains behind closed doors for {s}",
            "sells the last tickets for {s}",
            "rests its stars for {s}",
        ),
        (
            *("the derby", "the cup tie", "the relegation match", "the return leg", "the season opener"),
            *("the charity match", "the league final day", "the friendly", "the replay", "the away trip"),
        ),
        "courts",
    ),
    Section(
        "athletics",
        ("train for a first half marathon", "swim before work", "ride with a club on Sundays"),
        ("A runner from {p}", "A cyclist from {p}", "The {p} rowing club", "A skier from {p}", "A swimmer from {p}"),
        ("breaks the record at {s}", "returns after injury to {s}", "wins bronze at {s}", "gives up before {s}"),
        (
            *("the spring marathon", "the hill climb", "the indoor games", "the lake regatta", "the relay day"),
            *("the open trials", "the mountain stage", "the winter cup", "the island triathlon", "the youth games"),
        ),
        "health",
    ),
)


class Event(NamedTuple):
    """What a part of the catalogue is about, around one hour of the week."""

    name: str
    section: str
    hour: int
    """Of the week, when it matters most."""
    planned: bool
    """Whether articles come before it as well."""


EVENTS = (
    Event("Storm Ottilie", "environment", 30, True),
    Event("the Norvane data leak", "technology", 38, False),
    Event("the cup final", "football", 50, True),
    Event("the national election", "politics", 62, True),
    Event("the Mersholt bank collapse", "business", 70, False),
    Event("the rail strike", "transport", 80, True),
    Event("the Lanthe comet", "science", 92, True),
    Event("the Quillan art theft", "courts", 98, False),
    Event("the peace summit", "world", 108, True),
    Event("the flu wave", "health", 114, True),
    Event("the film prize night", "culture", 122, True),
    Event("the exam mix-up", "education", 128, False),
    Event("the city marathon", "athletics", 138, True),
    Event("the Corrin dam alarm", "environment", 148, False),
)

BEFORE = (
    "{E}: {p} gets ready",
    "{E}: what it will mean for {p}",
    "{E}: the timetable for {p}",
    "{E}: the open questions in {p}",
    "{p} waits for {e}",
)
"""Headlines of a planned event's articles before its hour."""
AFTER = (
    "{E}: what we know in {p}",
    "{E}: {p} takes stock",
    "{E}: voices from {p}",
    "{E}: the next steps in {p}",
    "{E}: how the day went in {p}",
    "{p} after {e}: a summary",
)
"""Headlines of an event's articles from its hour on."""

LURES = (
    (1.0, "You won't believe what happened to {s} in {p}"),
    (1.0, "What they found out about {s} in {p} will shock you"),
    (1.0, "This one secret about {s} leaves all of {p} speechless"),
    (0.9, "Nobody in {p} dares to say this about {s}!"),
    (0.9, "She asked one question about {s} in {p} – and everyone burst into tears"),
    (0.8, "Number 7 will amaze you: ten things about {s} that {p} is hiding"),
    (0.8, "Is this the end of {s}? {p} cannot believe its eyes!"),
    (0.7, "Unbelievable scenes in {p}: this is what comes of {s}!"),
)
"""Clickbait headlines, with how strong they are."""
TEASERS = (
    (0.5, "Why everybody in {p} suddenly talks about {s}"),
    (0.4, "Big surprise in {p} about {s}!"),
    (0.4, "So much for {s}: {p} cannot get over it!"),
    (0.3, "What is really behind {s} in {p}?"),
)
"""Headlines that tease a little."""

DEEP = (
    "Our reporters read four hundred pages of files and name their sources.",
    "With figures for every district, and what experts disagree about.",
    "A long read in three parts: how it began, who pays, what comes next.",
    "A year of research, with documents to check for yourself.",
    "We asked all sides and publish their answers in full.",
)
ORDINARY = (
    "The main facts from the agencies.",
    "A report with two opinions and a photograph.",
    "The announcement in short, with a reaction.",
    "What was said at the press conference.",
)
THIN = (
    "Click through our gallery of thirty pictures.",
    "Nobody has confirmed it so far.",
    "Watch the video after three short adverts.",
    "It all comes from a post that is going round.",
    "A few lines, and what people write under them.",
)
"""Second sentences, by depth."""

OUTLETS = (
    ("The Aldermoor Courier", 0.05, 0.8),
    ("The Northern Ledger", 0.05, 0.9),
    ("Meridian Review", 0.02, 1.2),
    ("Public Record", 0.05, 1.0),
    ("The Evening Dispatch", 0.2, 0.2),
    ("Harbour Gazette", 0.15, 0.3),
    ("The Lowland Herald", 0.2, 0.1),
    ("Wire Service 9", 0.1, 0.0),
    ("Morning Bell", 0.35, -0.2),
    ("The Daily Lantern", 0.4, -0.3),
    ("City Pulse", 0.5, -0.4),
    ("Metro Today", 0.5, -0.5),
    ("Buzzline", 0.85, -1.0),
    ("Flashpoint", 0.8, -0.9),
    ("Talk of Town", 0.75, -0.8),
    ("Newsrush", 0.9, -1.2),
)
"""Name, share of clickbait, mean depth."""

PLACES = (
    *("Aldermoor", "Brackwell", "Carrow", "Dunmere", "Eastholm", "Farleigh", "Gorsham", "Hexby", "Iverton"),
    *("Jarrow Bay", "Kelmouth", "Lindersea", "Marwick", "Netherby", "Oxmoor", "Pennard", "Quayle", "Ravenport"),
    *("Selwick", "Thornley", "Upwell", "Varnham", "Westray", "Yarrowdale"),
)

READERS = (
    (
        0.6,
        (
            "I read the long pieces to the end.",
            "I like sources, figures and a calm tone.",
            "A headline has to keep its word.",
        ),
    ),
    (
        1.0,
        (
            "I read the news over lunch.",
            "I look at the headlines, and read what interests me.",
            "I read most evenings.",
        ),
    ),
    (1.4, ("I scroll on the tram and tap what jumps out.", "I cannot resist a good headline.", "I skim, mostly.")),
)
"""How strongly clickbait draws a persona, and how the persona says so."""

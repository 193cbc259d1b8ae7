"""Ten topics of Feed-v0 from home and the world, and what is posted about them."""

from envs.feed.words import Topic

WORLD = (
    Topic(
        "astronomy",
        ("look at the stars from the roof", "own a small telescope", "read about the planets every night"),
        ("Observatory", "Night Sky", "Star Map", "Eyepiece", "Dark Hill"),
        (
            *("the rings of Saturn", "meteor showers", "dark skies", "lunar craters", "space telescopes", "comets"),
            *("star charts", "eclipses", "red dwarfs", "northern lights", "galaxy clusters", "home-made mirrors"),
        ),
        ("Minus four degrees and a clear hour.", "The picture is the sum of sixty shots.", "Clouds came at ten."),
        (
            "They hide from you what is coming towards us!",
            "The night sky is being stolen for profit, and it is too late!",
            "These so-called experts lie to your face!",
        ),
        (
            "You need no telescope: look south at nine with bare eyes.",
            "An astronomer explains with two oranges and a lamp.",
            "It leaves one with a sense of wonder, and a map to go outside with.",
        ),
    ),
    Topic(
        "wildlife",
        ("watch birds at dawn", "volunteer at a nature reserve", "photograph insects"),
        ("Bird Hide", "Hedgerow", "Field Notes", "Pond", "Nest Box"),
        (
            *("swifts", "hedgehogs", "nest boxes", "wild bees", "foxes in town", "moths", "beavers", "bird song"),
            *("hibernating bats", "river otters", "garden ponds", "owl pellets"),
        ),
        ("Sat still for two hours for this.", "The microphone picked up the motorway.", "Seen again on Friday."),
        (
            "Everything is dying, and the people who did it walk free!",
            "Look at what these monsters did to the nests!",
            "There will be nothing left when your children grow up!",
        ),
        (
            "With a box that you can build from one plank.",
            "A ranger tells how life came back to the valley.",
            "Learn to tell five voices apart by ear.",
        ),
    ),
    Topic(
        "climate",
        ("work on insulating old houses", "follow climate research", "have put panels on my roof"),
        ("Weather Station", "Warm House", "Solar Roof", "Tide Table", "Energy Meter"),
        (
            *("heat pumps", "sea levels", "solar panels", "heat waves", "peat bogs", "carbon prices", "wind farms"),
            *("home insulation", "glaciers", "flood maps", "battery storage", "city trees"),
        ),
        ("The figures are from last month.", "A chart and two remarks.", "Measured at my own house."),
        (
            "We are all going to burn, and they knew it!",
            "Your government has given up on you!",
            "It is too late, and everyone who tells you otherwise is paid for it!",
        ),
        (
            "A village shows what it did, what it cost and what it saves.",
            "An engineer goes through the bill line by line.",
            "What one street got done in one year, and how to start yours.",
        ),
    ),
    Topic(
        "town politics",
        ("go to council meetings", "am active in the residents' association", "care about what is built in our town"),
        ("Town Hall", "Market Square", "Ballot Box", "Public Gallery", "Ward Office"),
        (
            *("council budgets", "parking fees", "school closures", "bus routes", "library hours", "street lights"),
            *(
                "planning permits",
                "the new town square",
                "citizens' assemblies",
                "the mayor's plans",
                "the swimming pool",
            ),
        ),
        ("From the public gallery, row three.", "The minutes are linked.", "The vote is on Tuesday."),
        (
            "These corrupt crooks rob you blind and grin about it!",
            "They want you poor and silent!",
            "Throw every single one of them out before they destroy the town!",
        ),
        (
            "Both sides explain their case, for five minutes each.",
            "How twelve neighbours got a decision changed, with the letter they wrote.",
            "It shows how the decision is made, and where you can speak.",
        ),
    ),
    Topic(
        "housing",
        ("am looking for a flat", "renovate an old house", "live in a housing co-operative"),
        ("Stairwell", "Old House", "Floor Plan", "Co-op", "Building Site"),
        (
            *("rents", "damp walls", "floor plans", "housing co-operatives", "lime plaster", "deposits", "small flats"),
            *("old windows", "noisy neighbours", "mortgage offers", "attic conversions", "shared kitchens"),
        ),
        ("Filmed on the third floor.", "Dust everywhere.", "Pictures before and after."),
        (
            "The landlords bleed you dry and you say thank you!",
            "You will never own anything, and that is the plan!",
            "Greedy parasites, every one of them!",
        ),
        (
            "A lawyer explains your rights, with a letter you can use.",
            "How nine families bought their house together.",
            "An old craftsman shows each step, and lets the apprentice try.",
        ),
    ),
    Topic(
        "money",
        ("keep a household budget", "put something aside every month", "want to understand pensions"),
        ("Savings Jar", "Ledger", "Piggy Bank", "Balance Sheet", "Household Book"),
        (
            *("index funds", "overdrafts", "pension letters", "household budgets", "interest rates", "tax returns"),
            *("insurance", "pocket money", "student loans", "emergency funds", "bank fees", "inflation"),
        ),
        ("A table and three remarks.", "No advice, only my own numbers.", "The sheet is linked."),
        (
            "The crash is coming, and you will lose everything!",
            "The banks steal your savings while you sleep!",
            "They are rich because you are stupid enough to pay!",
        ),
        (
            "A debt adviser shows how to sort the letters, one by one.",
            "It explains the idea with a jar of beans.",
            "A plain table that takes ten minutes a month.",
        ),
    ),
    Topic(
        "parenting",
        ("have two small children", "am a single father", "foster teenagers"),
        ("Nursery", "Playroom", "School Run", "Full House", "Bedtime"),
        (
            *("bedtimes", "screen time", "homework", "picky eaters", "first days at school", "sibling quarrels"),
            *("toddler tantrums", "bilingual children", "packed schedules", "teenage moods", "playdates", "naps"),
        ),
        ("Written while they sleep.", "Second attempt, the first was interrupted.", "No names, as always."),
        (
            "You are damaging your child for life, and it cannot be undone!",
            "Parents like these should have their children taken away!",
            "The schools are destroying a whole generation!",
        ),
        (
            "A family therapist on what to say in the moment.",
            "It is all right to be tired: what helped other parents.",
            "A game for rainy afternoons that needs nothing but paper.",
        ),
    ),
    Topic(
        "sleep and health",
        ("sleep badly", "work as a nurse on nights", "try to keep my back healthy"),
        ("Waiting Room", "Night Shift", "Stretching Mat", "Pulse", "Quiet Hour"),
        (
            *("sleepless nights", "back pain", "stretching", "blood pressure", "night shifts", "headaches", "vitamins"),
            *("breathing exercises", "hay fever", "allergy tests", "waiting times", "walking after meals"),
        ),
        ("Notes after a long week.", "Day nine of thirty.", "My doctor read it first."),
        (
            "You are dying slowly, and your doctor keeps quiet!",
            "The drug companies want you ill!",
            "Millions will die, and nobody will help you!",
        ),
        (
            "A nurse explains with care, and tells when to see a doctor.",
            "Breathe along for three minutes.",
            "Four stretches that a stiff person can do on a chair.",
        ),
    ),
    Topic(
        "technology",
        ("take gadgets apart", "write programs for fun", "help my parents with their computers"),
        ("Workbench", "Terminal", "Soldering Iron", "Server Cupboard", "Lab"),
        (
            *("old laptops", "passwords", "phone batteries", "open-source software", "home servers", "chatbots"),
            *("3D printers", "data leaks", "mechanical keyboards", "repair manuals", "smart meters", "game consoles"),
        ),
        ("Three screws left over.", "Tested for a week.", "The code is linked."),
        (
            "They watch you at this very moment!",
            "The machines will take your job by Christmas!",
            "These companies treat you like cattle, and you let them!",
        ),
        (
            "Opened, explained and put together again, so that you can do it too.",
            "A volunteer of a repair café shows where to begin.",
            "Written for people who are afraid to break something.",
        ),
    ),
    Topic(
        "history",
        ("walk round museums on Sundays", "research my family's past", "read about the Middle Ages"),
        ("Archive", "Old Map", "Museum Walk", "Footnotes", "Parish Register"),
        (
            *("medieval markets", "Roman roads", "family letters", "old maps", "forgotten queens", "canal building"),
            *("museum cellars", "church registers", "early printing", "shipwrecks", "peasant revolts", "spice routes"),
        ),
        ("From the reading room, in a whisper.", "Two sources, one contradiction.", "The map is linked."),
        (
            "Everything you were taught is a lie, and they did it on purpose!",
            "They erase our past so that you obey!",
            "It is all happening again, and you are asleep!",
        ),
        (
            "An archivist shows how to read old handwriting.",
            "Three letters by ordinary people, read aloud.",
            "It compares what the sources say, and says what we do not know.",
        ),
    ),
)

"""Ten topics of Feed-v0 that people do in their free time, and what is posted about them."""

from envs.feed.words import Topic

HOBBIES = (
    Topic(
        "gardening",
        ("grow vegetables on an allotment", "keep too many pots on a balcony", "spend my evenings in the garden"),
        ("Greenhouse", "Allotment", "Potting Shed", "Back Garden", "Seed Box"),
        (
            *("tomatoes", "raised beds", "compost heaps", "climbing roses", "slugs", "seed swaps", "fruit trees"),
            *("winter salads", "balcony pots", "rain barrels", "hedges", "herb spirals"),
        ),
        ("Filmed between two showers on the plot.", "The light was better than the harvest.", "More on Sunday."),
        (
            "The seed companies poison your soil and laugh all the way to the bank!",
            "In ten years nothing will grow here, and nobody does anything!",
            "The neighbours who did this should be ashamed!",
        ),
        (
            "With a planting calendar that you can print.",
            "Kneeling in the soil for ten minutes is enough to begin.",
            "A gardener of eighty shows each step slowly.",
        ),
    ),
    Topic(
        "cooking",
        ("cook for four every evening", "bake bread at weekends", "collect my grandmother's recipes"),
        ("Kitchen", "Stockpot", "Dinner Table", "Larder", "Bread Oven"),
        (
            *("sourdough", "lentil soups", "weeknight pasta", "pickles", "cast-iron pans", "packed lunches"),
            *("dumplings", "stocks", "sharp knives", "one-pot dinners", "fermented cabbage", "birthday cakes"),
        ),
        ("Cooked in one take, with the dog watching.", "The kitchen is still a mess.", "Served with bread."),
        (
            "The supermarkets feed you rubbish and know exactly what it does!",
            "People who cook like this ruin it for everybody!",
            "Your children eat this poison every day!",
        ),
        (
            "A full recipe with swaps for what you have at home.",
            "Made together with three neighbours, for very little money.",
            "It explains why each step works, so that you can cook without a recipe.",
        ),
    ),
    Topic(
        "running",
        ("run along the river before breakfast", "train for a first half marathon", "run slowly and often"),
        ("Long Run", "Training Diary", "Track", "Running Club", "Morning Miles"),
        (
            *("easy runs", "interval training", "running shoes", "blisters", "hill repeats", "parkland trails"),
            *("marathon plans", "sore knees", "running in the dark", "race nerves", "rest days", "pacing"),
        ),
        ("Recorded out of breath after ten kilometres.", "Grey sky, wet feet.", "Splits are in the comments."),
        (
            "The shoe brands wreck your knees on purpose, and you pay them for it!",
            "These runners are a disgrace to the sport!",
            "One wrong step and it is over for ever!",
        ),
        (
            "A physiotherapist shows four gentle exercises.",
            "For everyone who thinks they are too slow to belong.",
            "A plan of three short outings a week that leaves time for life.",
        ),
    ),
    Topic(
        "cycling",
        ("cycle to work in all weathers", "tour by bicycle every summer", "repair bicycles in the cellar"),
        ("Bike Lane", "Workshop", "Cargo Bike", "Touring Log", "Spare Wheel"),
        (
            *("bike lanes", "cargo bikes", "punctures", "gravel tours", "helmets", "chain care", "bike theft"),
            *("winter commuting", "disc brakes", "night rides", "panniers", "mountain passes"),
        ),
        ("Twelve kilometres with a headwind.", "Camera on the handlebar, as always.", "The route is linked."),
        (
            "Drivers will kill one of us tomorrow, and the council does not care!",
            "They hate you for riding, and they want you gone!",
            "Every promise they made was a lie!",
        ),
        (
            "You need two tools and a quarter of an hour; we go through it together.",
            "A mechanic answers what beginners are afraid to ask.",
            "A quiet route map that forty riders helped to draw.",
        ),
    ),
    Topic(
        "football",
        ("never miss a match of my club", "coach a girls' football team", "play five-a-side on Thursdays"),
        ("Terrace", "Corner Flag", "Half-Time", "Dugout", "Kick-Off"),
        (
            *("penalties", "the offside rule", "youth academies", "away games", "ticket prices", "goalkeepers"),
            *("the transfer window", "video referees", "derby days", "women's football", "free kicks", "club shirts"),
        ),
        ("Recorded on the tram home from the ground.", "Two goals, one coat too few.", "Line-ups are below."),
        (
            "The referees are bought, and everybody knows by whom!",
            "These owners are killing your club while you sing!",
            "Get out of our ground and never come back!",
        ),
        (
            "A youth coach shows a drill that includes the shy ones.",
            "Two rival supporters watch the match together and explain it to each other.",
            "It shows on a board, with patience, how the team moves.",
        ),
    ),
    Topic(
        "cinema",
        ("go to the cinema twice a week", "collect old films", "run a film club in a school hall"),
        ("Front Row", "Projection Room", "Film Club", "Matinee", "Final Cut"),
        (
            *("silent films", "sequels", "film music", "festival prizes", "subtitles", "stunt doubles", "remakes"),
            *("opening scenes", "black-and-white films", "small cinemas", "documentaries", "costume design"),
        ),
        ("No spoilers until the last minute.", "Recorded in the foyer.", "The list is in the comments."),
        (
            "The studios despise you and sell you the same trash again!",
            "Cinema is dead, and these people killed it!",
            "Anyone who likes such trash should be ashamed!",
        ),
        (
            "An editor goes through one scene, cut by cut.",
            "Five films you can see for nothing at the library.",
            "A projectionist of forty years tells what she has seen.",
        ),
    ),
    Topic(
        "music",
        ("play the guitar in a small band", "sing in a choir", "am learning the piano at fifty"),
        ("Practice Room", "Choir Loft", "Four Chords", "Record Shelf", "Songbook"),
        (
            *("open chords", "choir rehearsals", "old synthesizers", "stage fright", "bass lines", "vinyl records"),
            *("practice routines", "folk songs", "home recording", "brass bands", "piano lessons", "street musicians"),
        ),
        ("One microphone, one take.", "Out of tune from minute two.", "The chords are in the description."),
        (
            "The streaming services rob every musician you love, and you help them!",
            "Real music is finished, and the machines have won!",
            "These talentless frauds laugh at you!",
        ),
        (
            "A short exercise to play along with, at half speed.",
            "A choir of strangers learns a song in one evening.",
            "A teacher explains what to listen for, with examples.",
        ),
    ),
    Topic(
        "books",
        ("read a novel a week", "run a reading circle", "work in a second-hand bookshop"),
        ("Bookshelf", "Reading Lamp", "Margin Notes", "Lending Library", "Second-Hand Books"),
        (
            *("long novels", "crime series", "translators", "poetry", "audiobooks", "book clubs", "last sentences"),
            *("picture books", "unfinished books", "diaries", "short stories", "second-hand finds"),
        ),
        ("Read on the train, mostly standing.", "Half the pages underlined.", "The next one is chosen by you."),
        (
            "They are banning what you read, and you do not even notice!",
            "Whoever praises this rubbish has never read a book!",
            "Nobody can read any more, and the country goes to ruin!",
        ),
        (
            "A translator goes through one page and its choices.",
            "We read together, a chapter a week; everyone is welcome.",
            "Six short books for people who have lost the habit.",
        ),
    ),
    Topic(
        "train travel",
        ("travel by night train", "plan slow journeys across Europe", "know the timetable by heart"),
        ("Sleeper Car", "Platform Nine", "Dining Car", "Branch Line", "Window Seat"),
        (
            *("night trains", "missed connections", "dining cars", "branch lines", "station clocks", "seat bookings"),
            *("mountain railways", "old timetables", "luggage", "border stations", "rail passes", "window seats"),
        ),
        ("Filmed from the last carriage.", "Forty minutes late, good coffee.", "Tickets and times are listed."),
        (
            "They let you rot on the platform and raise the fares again!",
            "The railway has been wrecked on purpose by these liars!",
            "Never again: this whole country is broken!",
        ),
        (
            "A complete plan with every change, and where to eat on the way.",
            "A conductor explains how to get help when a journey goes wrong.",
            "Slow pictures of a valley, and the story of who built the line.",
        ),
    ),
    Topic(
        "handicraft",
        ("knit in front of the television", "build furniture in the garage", "mend clothes for friends"),
        ("Sewing Box", "Woodshop", "Yarn Basket", "Mending Table", "Kiln"),
        (
            *("wool socks", "dovetail joints", "visible mending", "hand planes", "sewing machines", "glazes"),
            *("crochet blankets", "reclaimed wood", "zips", "natural dyes", "hand saws", "patchwork quilts"),
        ),
        ("Progress after two evenings.", "The cat sat on the pattern.", "Materials are listed below."),
        (
            "The fast-fashion giants destroy everything we love, and you pay for it!",
            "These thieves steal our patterns and laugh at us!",
            "Real craft is dead, and nobody even mourns!",
        ),
        (
            "The pattern is free, with a slow video for each step.",
            "A cabinet-maker corrects three common mistakes, kindly.",
            "Made by a circle that meets on Wednesdays; bring nothing but time.",
        ),
    ),
)

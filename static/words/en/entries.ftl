# The pages of artists, venues and songs, the search in the header, and what the first page says of the visitor's own shows.

artist-title = { $artist }: shows, songs and votes | { $service }
venue-title = { $venue }, { $city }: shows and reviews | { $service }
song-title = { $title } by { $artist } | { $service }
show-count =
    { $count ->
        [one] { $count } show
       *[other] { $count } shows
    }
next-shows = Next shows
last-shows = Last shows
no-next-shows = No show is announced. Follow the artist to get news by email.
no-next-shows-here = No show is announced here.
show-all-of = Show all { $count }

# ── An artist: how well fans foresaw the shows, and what was played

foresight-heading = How well fans foresee
foresight-fans = fans
foresight-before = the show before
foresight-each = Show by show
# $share: as in 62%. $count: how many shows
foresight-lead =
    { $count ->
        [1] The crowd foresaw { $share } of what was played at the last show.
       *[other] The crowd foresaw { $share } of what was played at the last { $count } shows.
    }
# $lead: the sentence above
foresight-lead-before = { $lead } Who names the songs of the show before gets { $before }.
foreseen-of =
    { $played ->
        [one] { $hits } of { $played } song foreseen
       *[other] { $hits } of { $played } songs foreseen
    }
rotation-heading =
    { $count ->
        [1] Played at the last show
       *[other] Played at the last { $count } shows
    }
# What a screen reader says: at how many of the last shows
rotation-times = at { $played } of { $count }
songs-heading = Songs
songs-by-votes = Songs by votes
song-votes-spoken = { $up } up, { $down } down
plays-none = Not played yet
plays-predicted =
    { $count ->
        [one] Not played yet, predicted for { $count } show
       *[other] Not played yet, predicted for { $count } shows
    }
plays =
    { $count ->
        [one] Played { $count } time
       *[other] Played { $count } times
    }
plays-last =
    { $count ->
        [one] Played { $count } time, last on { $date }
       *[other] Played { $count } times, last on { $date }
    }

# ── A venue

venue-holds =
    { $count ->
        [one] holds { $count } person
       *[other] holds { $count } people
    }
venue-map = Map
# What a screen reader adds to the word above
venue-map-where = on OpenStreetMap, in a new tab
rating-none = No reviews yet
# $rating: as in 4.2
rating =
    { $count ->
        [one] { $rating } of 5, { $count } review
       *[other] { $rating } of 5, { $count } reviews
    }
stars =
    { $count ->
        [one] { $count } star
       *[other] { $count } stars
    }
reviews-heading = Reviews
reviews-none = Nobody has written about this venue yet.
review-own = Your review
review-were-you = Were you at { $venue }?
review-label = What others should know (you may leave this empty)
review-send = Send
review-change = Change it
review-delete = Delete
review-pending = Thank you. A moderator reads your review before others see it.
review-approved = Thank you. Your review is on this page.
review-rejected = A moderator did not accept your review. Change it and send it again.
review-deleted = Your review is deleted.
review-by = { $name }, { $date }
review-by-fan = A fan, { $date }

# ── A song

# The artist follows, as a link
song-by = A song by
song-votes-heading = Votes
song-who-plays = Who plays it
song-in-setlists = In setlists
song-in-none = This song is in no setlist yet.
song-played-as = Played as number { $number }
song-predicted = Predicted
song-predicted-votes =
    { $count ->
        [one] Predicted, { $count } vote
       *[other] Predicted, { $count } votes
    }
song-votes = Fans voted { $up } times up and { $down } times down.
song-votes-none = Nobody has voted on it yet.

# ── While such a page loads, and when it is not there

artist-loading = Loading the artist
artist-missing = Artist not found
artist-failed = This artist could not be loaded
artist-missing-why = The address is wrong, or the artist was removed. Search for the name.
venue-loading = Loading the venue
venue-missing = Venue not found
venue-failed = This venue could not be loaded
venue-missing-why = The address is wrong, or the venue was removed. Search for the name.
song-loading = Loading the song
song-missing = Song not found
song-failed = This song could not be loaded
song-missing-why = The address is wrong, or the song was removed. Search for its title.

# ── The search in the header

find-label = Everything
find-words = Search artists, songs, venues and shows
find-hint = Artist, song or venue
find-artists = Artists
find-songs = Songs
find-venues = Venues
find-shows = Shows
find-results =
    { $count ->
        [one] { $count } result
       *[other] { $count } results
    }
find-all = All shows with “{ $words }”
find-nothing = Nothing has “{ $words }” in its name. Check the spelling, or try one word.
find-too-much = That is too much to search for. Try fewer words.

# ── The first page

own-heading = Your shows
own-going = You go
own-votes =
    { $count ->
        [one] You cast { $count } vote
       *[other] You cast { $count } votes
    }
own-following = You follow
near-me = Near me
near-none = No show near you matches.
near-asked = Your browser asks whether this page may know your place.
near-denied = Your browser does not tell your place. Allow it in its settings for this page, or search for your city.
near-unknown = Your place could not be found. Try again, or search for your city.
near-found = Within 100 km of you.
near-here = less than 1 km away
near-away = { $count } km away

# ── A show after it was played, and how its votes came in

foreseen-heading = Foreseen and played
foreseen-fans = Fans foresaw
foreseen-played = Played
# What a screen reader adds to the title of a song
foreseen-was-played = , played
foreseen-not-played = , not played
foreseen-was-foreseen = , foreseen
foreseen-not-foreseen = , not foreseen
history-heading = How the votes came in
# $votes: as in "3 votes". $step: as in "2 hours". $when: a date and time
history-label = { $votes } cast, changed ones included. Most in { $step }: { $most }, from { $when }.
history-songs-heading = The leading songs over time
# Under the lines of the songs that lead. $first, $last: a date and time
history-songs-lead = Votes up minus votes down, from { $first } to { $last }. All lines have one scale.
# The head of a column with titles
history-songs-song = Song
history-hours =
    { $count ->
        [one] { $count } hour
       *[other] { $count } hours
    }
history-days =
    { $count ->
        [one] { $count } day
       *[other] { $count } days
    }

# ── Whether the own votes are in the public ledger

receipt-heading = Check your votes
receipt-right = Your votes are in the public ledger of this show. Your browser has calculated it itself.
receipt-unsigned = Your votes are in the public ledger of this show. This browser cannot check its signature; a newer one can.
receipt-missing =
    { $count ->
        [one] One of your votes is not in the ledger yet. Close this and open it again in a moment.
       *[other] { $count } of your votes are not in the ledger yet. Close this and open it again in a moment.
    }
receipt-wrong = Something is wrong with the ledger of this show. Tell the people who run it, and keep a picture of this page.
receipt-none-yet = This show has no ledger yet. It begins within a second of the first vote.
receipt-insecure = Your browser checks votes only on a page with https.
# $choice: up or down. $number: its place in the ledger, $count: the length of the ledger
receipt-vote =
    { $choice ->
        [up] Your vote for { $title } is entry { $number } of { $count }.
       *[down] Your vote against { $title } is entry { $number } of { $count }.
    }
receipt-vote-wrong = The ledger does not prove your vote on { $title }.

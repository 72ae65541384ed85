# The page of a show.

# ── States

status-upcoming = Upcoming
status-live = Live now
status-finished = Finished
status-cancelled = Cancelled

voting-open = Voting open
voting-locked = Voting paused
voting-closed = Voting closed
voting-final = Final result

# ── The connection, and why there is none

connection-live = Live
connection-polling = Delayed
connection-reconnecting = Connecting
connection-offline = Offline
# $reason: why there is no live connection. $works: yes, counts come and votes go over HTTP; no, nothing works yet.
connection-reason =
    { $reason ->
        [missing] This browser has no live connection.
        [blocked] This network blocks the live connection.
        [overloaded] The server takes no more live connections from this network.
       *[rate_limited] Too many connections came from here in a short time.
    } { $works ->
        [yes] Counts follow every few seconds, and your votes are sent.
       *[no] The page tries again by itself.
    }
connection-origin = The server does not know this page's address. Nobody can vote here until whoever runs it has mended that.
connection-lost = The connection is lost. Your votes are kept.
connection-again = Connected again.

# ── The head of the page

show-loading = Loading the show
show-missing = Show not found
show-failed = This show could not be loaded
show-missing-why = The address is wrong, or the show was removed. Look for it in the list of all shows.
all-shows = All shows
try-again = Try again
reload = Reload
# $names: the support acts, as a list
bill-with = with { $names }
# $date: a day. $time: of the start, at the venue
show-when = { $date }, { $time }
# $here: a day of the week and a time, where the reader is
show-when-here = It begins { $here } where you are.
show-title = { $artist }, { $venue } | { $service }
going = I'm going
share = Share
share-copied = The link is copied.
share-by-hand = Copy the link: { $address }
follow = Follow
follow-artist = Follow { $artist }
followers =
    { $count ->
        [one] { $count } follower
       *[other] { $count } followers
    }
attendance-going = { $going } going
attendance-watching = { $watching } watching
attendance-both = { $going } going, { $watching } watching
sources = Sources

# ── The time of voting. $when: a date and time, in the zone of the show. $in: from now, such as "in 5 minutes"

just-now = just now
window-open = Voting is open
window-open-until = Voting open until { $when } ({ $in })
window-closing = Voting is closing
window-opens = Voting opens { $when } ({ $in })
window-paused = Voting is paused by the organisers
window-final = The result is final
window-cancelled = This show was cancelled
window-closed = Voting is closed
window-closed-since = Voting closed { $when } ({ $in })
state-opens = Opens { $in }
state-closes = Closes { $in }
state-closing = Closing

# ── How to vote, and why not

how-to-vote = Tap an arrow to vote, tap it again to take the vote back.
how-to-vote-budget = Tap an arrow to vote, tap it again to take the vote back. A vote down costs one of your votes, too.
why-early = You can vote when voting opens. This page updates by itself.
why-locked = All votes are kept. You can vote again when the organisers continue.
why-closed = No more votes are counted. The final check of the counts follows.
why-final = Voting is over and the counts were checked.
why-cancelled = You cannot vote on a cancelled show.
hidden-live = The counts will be back in a moment.
hidden-after-vote = The counts are hidden until you vote. Vote for a song to see them.
hidden-after-closing = The counts are hidden until the result is final.

# ── Counts of votes

votes =
    { $count ->
        [one] { $count } vote
       *[other] { $count } votes
    }
# The word alone, below the number
votes-unit =
    { $count ->
        [one] vote
       *[other] votes
    }
votes-left =
    { $count ->
        [one] { $count } vote left
       *[other] { $count } votes left
    }
# $left: how many of $count votes are left
votes-left-of =
    { $count ->
        [one] { $left } of { $count } vote left
       *[other] { $left } of { $count } votes left
    }
votes-waiting =
    { $count ->
        [one] { $count } vote is waiting to be sent. It is kept on this device until then.
       *[other] { $count } votes are waiting to be sent. They are kept on this device until then.
    }
vote-waiting = Waiting to be sent
vote-pending = Sending
vote-accepted = Received, being saved
vote-committed = Your vote, counted
# What a screen reader says after a vote
voted =
    { $choice ->
        [up] Voted up: { $title }.
        [down] Voted down: { $title }.
       *[none] Vote for { $title } taken back.
    }
voted-later = { voted } It will be sent when you are connected again.

# ── The songs

order-votes = By votes
order-setlist = Setlist order
order-label = Order of songs
setlist-predicted = Predicted setlist
setlist-actual = Played
no-songs = No songs yet.
set-title =
    { $kind ->
        [encore] Encore
        [alternate] Alternate set
       *[main] Main set
    }
set-title-numbered =
    { $kind ->
        [encore] Encore { $number }
        [alternate] Alternate set { $number }
       *[main] Set { $number }
    }
# A set that another artist plays
set-title-of =
    { $kind ->
        [encore] { $artist }, encore
       *[alternate] { $artist }, alternate set
    }
set-title-of-numbered =
    { $kind ->
        [encore] { $artist }, encore { $number }
        [alternate] { $artist }, alternate set { $number }
       *[main] { $artist }, set { $number }
    }
song-tape = From tape
song-tape-of = From tape, by { $artist }
song-cover = Cover of { $artist }
song-medley = Medley
song-playing = Playing now
# $title: of a song
song-playing-title = Playing now: { $title }
song-played-at = Played { $time }
song-was-played = Was played.
# $count: songs of a show that is going on. A line that shows them when it is tapped
played-so-far = Played so far ({ $count })
song-unforeseen = Not predicted
# What a screen reader says of a song's counts
song-counts = { $up } up, { $down } down.
vote-up-on = Vote up: { $title }
vote-down-on = Vote down: { $title }
# The name of the button, with the number that it shows
vote-up-on-counted = Vote up: { $title }, { $votes }
vote-down-on-counted = Vote down: { $title }, { $votes }
your-vote-on = Your vote on { $title }
leader =
    { $count ->
        [one] { $title } leads with { $count } vote.
       *[other] { $title } leads with { $count } votes.
    }
leader-shared =
    { $count ->
        [one] { $title } and { $count } other song share the first place.
       *[other] { $title } and { $count } other songs share the first place.
    }
announced = { $state }.

# ── How well the crowd predicted

accuracy-none =
    { $played ->
        [one] The crowd predicted none of the { $played } song
       *[other] The crowd predicted none of the { $played } songs
    }
accuracy-all =
    { $played ->
        [one] The crowd predicted all { $played } song
       *[other] The crowd predicted all { $played } songs
    }
accuracy-some =
    { $played ->
        [one] The crowd predicted { $hits } of { $played } song
       *[other] The crowd predicted { $hits } of { $played } songs
    }
accuracy-one-pick =
    { $hits ->
        [0] Its one pick was not played.
       *[other] Its one pick was played.
    }
accuracy-picks =
    { $hits ->
        [one] { $hits } of its { $predicted } picks was played.
       *[other] { $hits } of its { $predicted } picks were played.
    }
# $picks: one of the two sentences above
accuracy-before = { $picks } The setlist of the show before had { $before } of the { $played }.

# ── Links to other sites. $site: its name

source-prediction-spotify = Predicted from the most played songs on Spotify
source-prediction = Predicted from setlists on { $site }
source-listen = Listen on Spotify
source-artist = About the artist on { $site }
source-tickets = Tickets on { $site }
source-played = Songs played, on { $site }
source-show = About the show on { $site }

# ── Suggestions

suggest-heading = Missing a song?
suggest-lead = Suggest it. If the moderators agree, everybody can vote on it.
suggest-title = Title of a song
suggest = Suggest
suggest-pending = Waiting
suggest-approved = In the set
suggest-declined = Declined
suggest-thanks = Thank you. The moderators will check “{ $title }”.

# ── Shows that take votes with a ticket

ticket-heading-code = This show takes votes with a ticket
ticket-heading-work = This show asks your device for some work
ticket-heading-mail = This show takes votes of fans with a confirmed email
ticket-why-work = Before your first vote, your device works for some seconds. That only raises the price of many false accounts: it stops nobody who pays for it.
ticket-why-mail = You get an email with a link. Open it, come back here, and press “I have confirmed it”.
ticket-start-work = Start
ticket-start-mail = I have confirmed it
ticket-label = Code on your ticket
ticket-use = Use this code
ticket-missing = Enter the code on your ticket.
ticket-offered = This code came with your link. Press “Use this code”.
ticket-confirm-email = Confirm your email
ticket-working = Your device is working. This takes some seconds.
ticket-cannot-work = This page came without HTTPS, so your browser cannot do this work.

# ── Without a connection. $time: of the visitor's clock

counts-from-offline = You are offline. The counts are from { $time }.
counts-from = There is no connection to the server. The counts are from { $time }.
kept-heading = Shows on this device
kept-line = { $date } · counts from { $time }

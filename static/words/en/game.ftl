# The game: a fan's pick for a show, leaderboards and crews (docs/game.md).

pick-yours = Your pick
pick-make = Make your pick
pick-locked = Your pick is locked
pick-all-locked = Your pick: picks are locked
pick-points =
    { $count ->
        [one] Your pick: { $count } point
       *[other] Your pick: { $count } points
    }
pick-songs =
    { $count ->
        [one] Your pick: { $count } song
       *[other] Your pick: { $count } songs
    }
pick-lead = Pick up to ten songs that you expect. Each one that is played gives points: few for a song that everybody picked, up to 100 for a rare one. Nobody sees your pick.
pick-opener = Opener
pick-closer = Closer
pick-encore = Encore
pick-opener-hint = opens the show: 50 points more
pick-closer-hint = ends the show: 50 points more
pick-encore-hint = is played in an encore: 30 points more
pick-none = You made no pick for this show.
# $when: a date and time. $in: from now, such as "in 5 minutes"
pick-locks = Picks are locked when the show begins, { $when } ({ $in }).
pick-chosen = { $count } of { $max } songs picked
pick-full = { $max } songs are picked. Take one back first.
pick-saved = Your pick is saved.
pick-accepted = Your pick is received, and is being saved.
pick-withdrawn = Your pick is withdrawn.
points =
    { $count ->
        [one] { $count } point
       *[other] { $count } points
    }
pick-score =
    { $points ->
        [one] { $points } point, place { $rank } of { $count }
       *[other] { $points } points, place { $rank } of { $count }
    }
pick-played = Played
pick-played-worth =
    { $count ->
        [one] Played, { $count } point
       *[other] Played, { $count } points
    }
pick-worth =
    { $count ->
        [one] { $count } point if it is played
       *[other] { $count } points if it is played
    }
pick-failed-locked = The show has begun, so picks are locked. Your last saved pick counts.
pick-failed-forbidden = This account may not pick.
pick-failed-not-found = One of these songs is no longer in the show. Load the page again.
pick-failed-overloaded = Many people are picking. Try again in a moment.
pick-failed = Your pick could not be saved. Check your connection and try again.

board-open = Picks are open. Points come with the first song.
board-live = Live: points follow every song.
board-final = Final points
board-no-name = A fan
board-you = you
board-season = Season { $name }
board-empty = Nobody has points here yet.
board-fans =
    { $count ->
        [one] { $count } fan
       *[other] { $count } fans
    }
board-own =
    { $points ->
        [one] You are at place { $rank } of { $count }, with { $points } point.
       *[other] You are at place { $rank } of { $count }, with { $points } points.
    }
board-not-on = You are not on this board yet. Make a pick before a show begins.

crew-invitation =
    { $count ->
        [one] You are invited to the crew “{ $name }”, with { $count } member.
       *[other] You are invited to the crew “{ $name }”, with { $count } members.
    }
crew-failed-not-found = There is no crew at this address, or you are no member of it. Ask for the link again.
crew-failed-conflict = This crew is full, or you are in as many crews as may be.
crew-failed-bad-request = This name cannot be used. Choose another one.
crew-failed-forbidden = This account may not join crews.

# ── Texts of the forms

pick-songs-label = Songs to pick
pick-nothing = None
pick-save = Save my pick
pick-withdraw = Withdraw it
board = Leaderboard
boards = Leaderboards
board-title = { $name } · Leaderboard · { $service }
board-description = The fans who know best what will be played: by show, artist, season and crew.
board-back = Back to the show
board-caption = Places, best first
board-place = Place
board-fan = Fan
board-points = Points
board-more = More places
board-missing = There is no leaderboard at this address.
board-shows =
    { $count ->
        [one] { $count } show
       *[other] { $count } shows
    }
crew-join = Join
crew-copy = Copy
crew-copied = The link is copied.
crew-copy-selected = Copy the selected link.
crew-leave = Leave this crew
crew-link = Who has this link can join:
crew-name = Name of a new crew
crew-make = Make it
crews = Your crews
crews-lead = A crew is you and your friends, with a leaderboard that only its members see.

# Walls: a screen in a venue, a video stream, a frame in another site. People read them from far away: keep them short.

wall-description = The songs of a concert with their live counts.
wall-needs-script = This page needs JavaScript to show live counts.
wall-qr = QR code of the page where fans vote
# An address that is short enough to type follows
wall-vote-at = Vote at
wall-vote = Vote on these songs

wall-cancelled = This show was cancelled
wall-final = Final result
wall-paused = Voting is paused
wall-opens-in = Voting opens in
wall-closed = Voting is closed
wall-ends-in = Voting ends in
wall-closing = Voting is closing
wall-days-left =
    { $count ->
        [one] { $count } day
       *[other] { $count } days
    }
wall-votes =
    { $count ->
        [one] { $count } vote
       *[other] { $count } votes
    }
wall-votes-watching =
    { $count ->
        [one] { $count } vote · { $watching } watching
       *[other] { $count } votes · { $watching } watching
    }
wall-hidden-until-vote = Vote to see the counts on your phone.
wall-hidden = The counts are secret until the end.
wall-playing = Playing now
wall-playing-tag = playing now
wall-played-tag = played
wall-lost = No connection. The counts follow when it is back.

# What was refused, delayed or dropped. The code of an error chooses the text, never the server's own text.

barred = This account may not vote here.
ok = OK

# $about: song, and $title is its title; vote, the song is not known
notice-removed =
    { $about ->
        [song] “{ $title }” was removed from this show. Your vote is free again.
       *[vote] Your vote was removed from this show and is free again.
    }
notice-played =
    { $about ->
        [song] “{ $title }” has been played, so the change was not counted.
       *[vote] The song has been played, so the change was not counted.
    }
notice-closed =
    { $about ->
        [song] Voting is closed, so the change to “{ $title }” was not counted.
       *[vote] Voting is closed, so the change to your vote was not counted.
    }
notice-locked =
    { $about ->
        [song] Voting is paused, so the change to “{ $title }” was not counted.
       *[vote] Voting is paused, so the change to your vote was not counted.
    }
notice-budget =
    { $about ->
        [song] No votes left for “{ $title }”. Take one back first.
       *[vote] No votes left. Take one back first.
    }
notice-not-found =
    { $about ->
        [song] “{ $title }” is no longer on this setlist.
       *[vote] That song is no longer on the setlist.
    }
# $code: of the error, for whoever reports it
notice-other =
    { $about ->
        [song] The change to “{ $title }” was not counted ({ $code }).
       *[vote] The change to your vote was not counted ({ $code }).
    }
# $notice: one of the texts above
notice-elsewhere = { $notice } It was for another show, from an earlier visit.
notice-paused = Voting is paused by the organisers. All votes are kept. You can vote again when the organisers continue.
notice-ticket = This show takes votes with a ticket. Enter the code on your ticket first.
notice-work = This show asks your device for some seconds of work first. Vote when it is done.
notice-mail = This show takes votes of fans with a confirmed email. Confirm yours first.
notice-other-account =
    { $count ->
        [one] { $count } waiting vote was not sent, because another account made it in this browser.
       *[other] { $count } waiting votes were not sent, because another account made them in this browser.
    }
notice-other-server =
    { $count ->
        [one] { $count } waiting vote was not sent, because it was made on another server at this address.
       *[other] { $count } waiting votes were not sent, because they were made on another server at this address.
    }
notice-too-many-accounts = Too many new visitors come from this network. Your vote is kept and will be sent when there is room.
notice-rate-limited = You vote very fast. Your vote is kept and will be sent in a moment.
notice-overloaded = Many people are voting. Your vote is kept and will be sent in a moment.
notice-unavailable = Voting is not available right now. Your vote is kept and will be sent in a moment.
notice-timeout = The connection is slow. Your vote is kept and will be sent again.
notice-internal = Something went wrong on the server. Your vote is kept and will be sent again.
notice-unauthenticated = You are being signed in again. Your vote is kept.

failure-bad-request = There is no list at this address. The link may be old, or a letter is missing.
failure-disconnected = The server cannot be reached. Check your connection and try again.
failure-rate-limited = Too many requests came from you or from this network. Try again in a moment.
failure-overloaded = Too many people are here right now. Try again in a moment.
failure-other = The server could not answer. Try again in a moment.

refusal-unauthenticated = Your sign-in is no longer valid. Reload the page to sign in again.
refusal-blocked = This account is blocked, so it cannot vote.
refusal-erased = This account was erased. Reload the page to vote as a new visitor.
refusal-outdated = This page is out of date. Reload it to continue.

mark-forbidden = This account may not do that.
mark-failed = This change was not saved. Try again later.

# For refusals whose English text from the server says more: it is shown in English
ticket-conflict = You already have a ticket for this show. The code was not used.
earning-forbidden = This show does not give tickets this way now. Reload the page.
earning-malformed = The work of your device was not accepted. Try again.
earning-conflict = Another account has the ticket of this mailbox. Each mailbox gives one for a show: vote with the account that has it.
suggest-conflict = This song is in the show already, was declined, or too many of your suggestions are waiting.
suggest-forbidden = This account may not suggest songs.
account-refused = The server refused this. Reload the page and try again.

ticket-malformed = A ticket code has 8 or more letters and digits. Check the code on your ticket.
ticket-unknown = This code gives no ticket for this show. Check the code on your ticket; each code works once.
ticket-tried-too-often = Too many codes were tried. Wait a minute and try again.

suggest-closed = Voting is over, so you cannot suggest songs any more.
suggest-locked = Voting is paused. Suggest the song again when it continues.
suggest-malformed = This cannot be a song title. Check it and try again.

# The visitor's ballots and artists, their account on another device, and their data.

me-ballots = Your ballots
me-follows = Artists you follow
me-no-ballots = You have not voted yet. Choose a show and tap an arrow beside a song.
me-no-follows = You follow nobody yet. The page of an artist has a button for it.
me-accuracy-none = After a show you see here how many of your songs were played.
# $precision and $recall: as in 62%
me-accuracy =
    { $count ->
        [one] Over { $count } show: { $precision } of the songs you voted up were played. Your votes named { $recall } of what was played.
       *[other] Over { $count } shows: { $precision } of the songs you voted up were played. Your votes named { $recall } of what was played.
    }
# Where the first number is not known
me-accuracy-recall =
    { $count ->
        [one] Over { $count } show: Your votes named { $recall } of what was played.
       *[other] Over { $count } shows: Your votes named { $recall } of what was played.
    }
me-ballot-score =
    { $predicted ->
        [one] { $hits } of { $predicted } song played
       *[other] { $hits } of { $predicted } songs played
    }

# ── A code for another device

device-heading = Use your account on another device
device-lead = Your votes, artists and picks belong to this browser. A code takes them to another phone or computer.
device-show = Show a code
device-how = Open this address on the other device and type the code there:
# $time: as in 4:07
device-expires = It works once, and { $time } minutes more. Give it to nobody: who has it is you.
device-over = The code is over. Show a new one when you need it.
device-used = The other device is signed in.
device-enter = Do you have a code from another device?
device-wrong = This code is wrong, was used before, or is over. Make a new one on the other device.
device-malformed = A code has 8 letters and digits. It has no 0, 1, I, L, O or U. Check what you typed.
device-replace = Account { $account } is signed in here. Without a code or a link of its own it cannot be opened again; its votes still count.
device-replace-yes = Replace it and sign in
device-replace-no = Keep this account

# ── The visitor's data

data-heading = Your data
data-lead = Everything the database holds about you, as a file. A new one is made once a day.
data-export = Download my data
data-queued = Your file is being made. It comes by itself in a moment.
data-ready = Your file is on its way.
data-erase = Erase my account
data-question = Erase this account for ever?
data-what-deleted = Your email address, name, artists, reviews and crews are deleted now.
data-what-votes = Your votes and picks still count, without your name. Nobody can tell any more that they were yours.
data-what-devices = Every device is signed out. Nobody can bring the account back.
data-understood = I understand that this cannot be undone.
data-yes = Erase it for ever
data-no = Keep my account
data-erased = Your account is erased. Your votes still count, without your name.

me-picks = Your picks
me-no-picks = You have no picks yet. The page of a show has them, until the show begins.
me-pick-songs =
    { $count ->
        [one] { $count } song
       *[other] { $count } songs
    }
me-pick-score =
    { $points ->
        [one] { $points } point, place { $rank }
       *[other] { $points } points, place { $rank }
    }

# ── The visitor's calendar

calendar-heading = Your calendar
calendar-lead = The shows you go to, and as tentative those of artists you follow, in the calendar of your phone or computer.
calendar-make = Make my calendar
calendar-made = Your calendar is made.
calendar-address = Secret address of your calendar
calendar-secret = Who has this address sees to which shows you go. Give it to your calendar program only.
calendar-open = Add to my calendar
calendar-copy = Copy the address
calendar-copied = The address is copied. Paste it into your calendar program as a subscription.
calendar-copy-selected = Copy the selected address.
calendar-renew = New address
calendar-renew-question = Give your calendar a new address? Programs that have the old one get nothing any more.
calendar-renew-yes = Give it a new address
calendar-renewed = Your calendar has a new address. The old one has ended.
calendar-delete = Delete
calendar-delete-question = Delete your calendar? Programs that have its address get nothing any more.
calendar-delete-yes = Delete my calendar
calendar-deleted = Your calendar is deleted. Its address has ended.
calendar-keep = Keep it

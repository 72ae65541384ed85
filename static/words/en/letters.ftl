# Emails, and the pages behind their links.

# How a date and a time are written: a pattern of Unicode (CLDR), https://cldr.unicode.org/translation/date-time/date-time-patterns
letter-date-pattern = EEEE d MMMM y, HH:mm
# $zone: the name of the time zone, such as America/New_York
letter-when = { $date } ({ $zone })
letter-where = { $venue }, { $city }
# $count: how many artists are not named
letter-artists-more =
    { $count ->
        [one] { $artist } and { $count } more
       *[other] { $artist } and { $count } more
    }

letter-cancelled-subject = { $artist } in { $city } is cancelled: { $when }
letter-cancelled-heading = { $artist } does not play: the show is cancelled
letter-cancelled-when = It was planned for { $when }.
letter-moved-subject = { $artist } in { $city } has a new date: { $when }
letter-moved-heading = { $artist } plays on another day
letter-moved-when = It is now on { $when }.
letter-moved-votes = Your votes stay.
# $artists: one or more, as a list. $count: how many
letter-announced-subject =
    { $count ->
        [one] { $artists } has a new show: { $city }, { $when }
       *[other] { $artists } have a new show: { $city }, { $when }
    }
letter-announced-heading =
    { $count ->
        [one] { $artists } has a new show
       *[other] { $artists } have a new show
    }
letter-reminder-subject = { $artist } in { $city }: { $when }
letter-reminder-heading = { $artist } plays soon
letter-result-subject = What fans want to hear from { $artist }, { $city }
letter-result-heading = What fans want to hear from { $artist }

letter-digest-heading =
    { $period ->
        [weekly] Your week on { $service }.
       *[daily] Your day on { $service }.
    }
letter-digest-subject =
    { $period ->
        [weekly]
            { $count ->
                [one] Your week on { $service }: { $count } show
               *[other] Your week on { $service }: { $count } shows
            }
       *[daily]
            { $count ->
                [one] Your day on { $service }: { $count } show
               *[other] Your day on { $service }: { $count } shows
            }
    }
letter-unsubscribe = You get this email because you asked for it. To unsubscribe, open this link:

letter-confirm-subject = Confirm your address
letter-confirm-why = Someone, probably you, asked { $service } to send emails to this address.
letter-confirm-link = To confirm the address, open this link within 48 hours:
letter-confirm-stop = If it was not you, ignore this email. To stop all emails to this address permanently, open this link:

# ── Pages behind the links

link-confirm-heading = Confirm your address?
link-confirm-lead = { $service } will send the emails that you asked for.
link-confirm = Confirm
link-confirmed-heading = Your address is confirmed
link-confirmed-lead = The page where you began notices it.
link-expired-heading = This link is no longer valid
link-expired-lead = Enter your address on { $service } again to get a new link.
link-unsubscribe-heading = Unsubscribe?
link-unsubscribe-lead = { $service } will send no more emails to this address.
link-unsubscribe = Unsubscribe
link-unsubscribed-heading = You are unsubscribed
link-unsubscribed-lead = { $service } sends no more emails to this address.

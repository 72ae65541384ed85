# The page of the visitor's account, and the page of a sign-in link.

account-description = The email of your MySetlist account, and where it is signed in.
account-needs-script = This page needs JavaScript. Switch it on and reload the page.
one-moment = One moment…
# $name: of the account. $id: its number
account-is = You are { $name } (account { $id }).
account-is-nameless = You are account { $id }.
account-none = You are not signed in. Your first vote makes an account.
account-left = You are signed out everywhere.

sessions-heading = Where you are signed in
session-unknown = An unknown program
# For example: Firefox on Linux
session-device = { $program } on { $system }
# $kind: how it was signed in
session-since =
    { $kind ->
        [link] since { $day }, by a sign-in link
        [command] since { $day }, by a command
       *[fan] since { $day }
    }
session-here = this browser
sign-out = Sign out
sign-out-of = Sign out { $name }, since { $day }
sign-out-everywhere = Sign out everywhere
sign-out-question = This browser is signed out too. An account without a sign-in link cannot be opened again; its votes still count.
sign-out-yes = Yes, sign out everywhere
sign-out-no = Stay signed in

email-heading = Your email
email-back = Back to the show
email-address = Email address
email-frequency = Emails about shows and artists you follow
email-never = None, only the link that confirms it
email-immediately = At once
email-daily = Once a day
email-weekly = Once a week
email-save = Save
email-delete = Delete this address
email-confirmed = { $address } is confirmed.
email-confirmed-back = { $address } is confirmed. Go back to the show and vote.
email-off = This service sends no emails, so no address can be confirmed here.
email-sent = An email is on its way to { $address }. Open its link to confirm the address; this page notices it. Nothing came? Look into the spam folder, or save again.
email-wanted = The show takes votes of fans with a confirmed email. Give yours: you get an email with a link that confirms it.
email-none = You have saved no address. Some shows take votes only of fans with a confirmed one.
# $confirmed: one of the two sentences about a confirmed address
email-stopped-link = { $confirmed } It gets no emails, because you unsubscribed. Save it with emails to get them again.
email-stopped-bounce = { $confirmed } It gets no emails, because its mail server refused one.
email-stopped-complaint = { $confirmed } It gets no emails, because one was reported as spam.
email-stopped-staff = { $confirmed } It gets no emails, because the organisers stopped them.
email-malformed = This is no email address that we can write to. Check it.
email-not-loaded = { $why } Reload the page to try again.

sign-in = Sign in
signin-description = Sign in to MySetlist with a link.
signin-needs-script = This page needs JavaScript. Switch it on and open the link again.
signin-incomplete = This link is not complete, or it was opened before. Copy the whole link, or ask for a new one.
signin-once = This link signs you in, once.
# $who: one of the two texts below
signin-replaces = You are signed in as { $who }. Signing in with this link replaces this account in this browser. You may not be able to come back to it.
signin-account =
    { $role ->
        [user] account { $id }
       *[staff] account { $id }, { $role }
    }
signin-account-named =
    { $role ->
        [user] { $name } (account { $id })
       *[staff] { $name } (account { $id }), { $role }
    }
signin-replace = Replace it and sign in

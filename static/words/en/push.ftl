# Notices of the browser: where they are chosen, and what they say.

push-heading = Notices on this device
push-lead = For shows you go to, shows you voted in, and artists you follow. Each is told once for a show, and each of your songs once.
push-voting-closes = Voting closes in half an hour
push-show-begins = The show begins
push-song-on = A song you voted for is on
push-quiet = Quiet hours
push-quiet-from = from
push-quiet-to = to
push-quiet-incomplete = Quiet hours need a beginning and an end that differ. Leave both empty for none.
push-unsupported = This browser cannot show notices.
push-install = On an iPhone or iPad, notices come only from the home screen: tap Share, then “Add to Home Screen”, and open MySetlist from there.
push-old-ios = Notices need iOS 16.4 or newer. Update this device, then add MySetlist to the home screen.
push-blocked = Notices from this site are blocked. Allow them in the settings of your browser for this site, then load this page again.
push-not-allowed = Your browser was not allowed to show notices, so nothing was changed.
push-not-subscribed = The push service of your browser could not be reached. Try again later.
push-off = This device is told nothing.
push-on = This device is told what you chose.
push-offer = Should this device tell you half an hour before voting closes?
push-offer-yes = Tell me when voting closes
push-offer-later = Not now
push-offer-done = Done. This device is told half an hour before voting closes.
push-offer-more = More notices and quiet hours

# What a notice says: its title and its sentence

notice-voting-closes-title = { $artist }: voting closes soon
notice-voting-closes = { $artist }, { $venue }. You can vote until { $time }.
notice-show-begins-title = { $artist }: the show begins
notice-show-begins = { $artist }, { $venue }. Follow the songs live.
notice-song-on-title = Your song is on: { $song }
notice-song-on = { $artist }, { $venue }. You voted for it.

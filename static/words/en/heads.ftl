# What search engines, messengers and calendars say of a page. $place: a venue and its city. $date: a day

head-date-pattern = d MMMM y
head-show = { $artist } at { $place }, on { $date }. Vote on the songs of the setlist and watch the counts move live.
head-show-cancelled = Cancelled: { $artist } at { $place }, on { $date }.
head-show-finished = { $artist } at { $place }, on { $date }: the setlist that fans voted for, and what was played.
head-artist-next = { $artist }: shows, songs and setlists that fans vote on. The next show is at { $place }, on { $date }.
head-artist = { $artist }: shows, songs and setlists that fans vote on. No show is announced.
head-venue-next = Shows at { $venue } in { $city }, and what fans say of it. The next show: { $artist }, on { $date }.
head-venue = Shows at { $venue } in { $city }, and what fans say of it. No show is announced.
head-song = Who plays “{ $title }” by { $artist }, how often, and in which setlists.
head-calendar = Calendar
# What a show is called that nobody has given a name of its own
show-name = { $artist } at { $venue }
# $address: of the page of a show
calendar-invitation = Vote on the setlist: { $address }

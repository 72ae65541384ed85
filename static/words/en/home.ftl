# The list of shows, what stands on every page, and pages without a script.

# The name of the select. It stands in the footer of every page
language-label = Language

skip = Skip to content
account = Your account
needs-script = MySetlist needs JavaScript to show live counts. Switch it on and reload the page.

home-title = { $service }: vote on tonight's songs
# For search engines and in the list of apps of a phone
home-description = Vote on the songs of tonight's setlist and watch the counts move live.
home-heading = Which songs tonight?
home-lead = Vote for the songs of a show and watch the counts move live.
search-label = Search shows
search-hint = Artist, venue or city
filter-label = Status
filter-all = All
filter-live = Live
filter-upcoming = Upcoming
filter-finished = Finished
show-all-shows = Show all shows
no-match = No show matches your search.
no-shows = No shows yet.
load-more = Load more
loading = Loading
shows-listed =
    { $count ->
        [one] { $count } show listed
       *[other] { $count } shows listed
    }
# $in: from now, such as "in 5 minutes"
voting-opens = Voting opens { $in }
trending = Trending now

not-found-title = No such page
not-found-heading = There is no page at this address
not-found-lead = The link may be old, or a letter is missing. All shows are in the list.
page-failed-title = This page cannot be shown now
page-failed-heading = This page cannot be shown now
page-failed-lead = The server has a problem. Votes that were sent are kept. Try again in a moment.

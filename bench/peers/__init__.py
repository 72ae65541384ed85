"""Other servers, measured beside ours by bench/side_by_side.py.

known.py     lists them, and how to get each
server.py    starts and stops them
fanout.py    measures pushes, voting.py votes
report.py    gives the medians, page.py writes docs/benchmarks.md
programs/    the programs that we measure: ours, and as short and as quick as the documentation of each library advises
"""

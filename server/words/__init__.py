"""words: the texts that people read, in every language that there is (docs/translating.md).

Owns:      the Fluent files in static/words/, one folder for each language
Threads:   any; a language is parsed once, when its first text is asked for
Limits:    none: what it keeps is as large as the files
Never:     translates errors of the API (their codes are the contract), the console of staff, or names
"""

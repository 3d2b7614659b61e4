"""The page: how everything stands, as HTML that a browser shows without asking anybody for more.

view       all that the page shows, read from the journal
bars       how many punches each day brought
remedies   for each thing that needs a person the command that helps; pure
search     where a punch is, on the page that `zkpoll serve` shows
html       all that as a page; pure
"""

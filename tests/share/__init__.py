"""What an installed zkpoll brings beside the program: manual pages, and completion for shells.

    python -m tests.share [--into FOLDER]

roff        text -> the language of manual pages
commands    help texts -> zkpoll(1), zkpoll-sync(1) ...
inventory   the inventory's schema -> zkpoll.yaml(5)
files       all of it, and the scripts for shells, by their paths below `share/`
"""

"""`python -m zkpoll`: the same as the `zkpoll` command."""

from zkpoll.cli import main

main()

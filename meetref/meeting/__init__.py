"""Who sees whom: rooms, participants, seats, forwarding, chat."""

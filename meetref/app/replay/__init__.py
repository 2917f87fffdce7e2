"""Drives somebody else's server or agent with our vectors: `meetref vectors replay`, live and over the network.

    command    the options, and one run: which cases, in which order, what came of them
    settings   whom to ask, and what they were told about themselves: users, secrets, quotas
    stun       a STUN server, turn: a TURN server, ice: an agent that only answers
    turnclients, turnwords   clients that sign, and the words in which the vectors' steps are written
    icechecks  the checks of the vectors, made with the credentials of the one who is asked
    exchange   datagrams or a stream to the target and back
    verdict    pass, fail, non-strict, untried or error, and why

Read next: `replay/command.py`.
"""

"""Explains a captured DTLS handshake octet by octet: `meetref pcap explain`, and the page of the documentation.

    conversation   the datagrams, opened with the secrets of the capture; messages put together from fragments
    message        what stands where in a message, from the parsers of wire/, which tell what they read
    computing      how keys, nonces, masks, signatures and Finished come about, step by step
    words          what each value is, and why it is there
    page           all of it as one HTML page without anything around it

Read next: `explain/conversation.py`.
"""

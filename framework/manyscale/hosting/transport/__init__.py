"""Messages between two instances on one host at the speed of memory, over unchanged libmuscle.

Four layers, each of which falls back to stock MUSCLE3 by itself:

- payload: arrays travel in pooled segments of memory that both sides map (`segments`, `wire`)
- ring: the sender writes into a ring that the receiver reads (`lane`, `server`, `client`)
- spin: a receiver looks for a message a little while before it sleeps (`waiting`)
- lean: sending, endpoints and the profile without repeated look-ups (`lean`, `lean_profiler`)
"""

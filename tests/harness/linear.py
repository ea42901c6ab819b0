# SPDX-License-Identifier: MIT
"""Is a history of concurrent operations linearizable?

An operation is (begun, ended, arguments, reply): the times are of any clock
that all clients share.  check() looks for an order in which each operation
takes effect at one moment between its two times and gets the reply that a
model of one thread would give.  The search is Wing and Gong's (Journal of
Parallel and Distributed Computing 17, 1993), with Lowe's memory of the
(done, state) pairs that led nowhere.
"""


def check(history, state, step):
    """An order of the operations that explains all replies, as indices, or
    None.  step(state, arguments) returns (reply, state); states can be hashed.
    """
    ops = sorted(history)
    order = []
    seen = set()
    trail = []              # per level: the candidates not yet tried
    done = 0                # bit i: ops[i] has taken effect
    low = 0                 # all before it have

    def candidates():
        """Those that may come next: begun before all others have ended."""
        first_end = None
        found = []
        i = low
        while i < len(ops) and (first_end is None or ops[i][0] < first_end):
            if not done >> i & 1:
                found.append(i)
                if first_end is None or ops[i][1] < first_end:
                    first_end = ops[i][1]
            i += 1
        return found

    trail.append((candidates(), state, done, low))
    while True:
        if len(order) == len(ops):
            return order
        tries, state, done, low = trail[-1]
        if not tries:
            trail.pop()
            if not trail:
                return None
            order.pop()
            continue
        i = tries.pop()
        reply, after = step(state, ops[i][2])
        if reply != ops[i][3]:
            continue
        done |= 1 << i
        if (done, after) in seen:
            continue
        seen.add((done, after))
        while low < len(ops) and done >> low & 1:
            low += 1
        order.append(i)
        state = after
        trail.append((candidates(), state, done, low))

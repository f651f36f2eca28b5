"""The deterministic simulator: a whole cluster, its broker and its disks under one seed, in one thread.

It runs the production engine, operators and state against the in-memory Kafka and in-memory disks of this
package's parent, and breaks everything that can break. ``python -m streamframe.testing.sim --help``.

::

    plan        what one seed draws: program, sizes, which faults and how often
    records     the input: disorder, hot keys, idle partitions, nulls, nonsense, far-future times
    programs    the topologies under test, and what must come out of each
    oracle      the right answer, record at a time, in plain Python
    log, stores the engine's ports, with faults between any two calls
    world       broker, machines, processes: everything that exists
    simulation  the scheduler: one Random, one action after the other
    calm        the second phase: nothing fails any more, everything must come out
    endings     what no engine survives: it must be noticed
    invariants  what must hold after every action; outputs: what must come out
    mutants     planted mistakes that the simulator must find

Rules:
    1. One ``random.Random`` decides everything; it is made in ``simulation.run``, nowhere else.
    2. No set is iterated without sorting it, nothing depends on ``hash``: a seed gives one trace, on any machine.
    3. A fault may strike before and after every call of a port, so between any two commands of the engine.
"""

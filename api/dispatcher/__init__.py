"""Runs queued experiments on Ray: claims them, drives each in a detached driver actor, and writes down what comes back.

A process of its own (`python -m api.dispatcher`); nobody imports it. It uses the store and the engine, never HTTP.

    Dispatcher      the loop: reconcile, claim, cancel
    Watch           one attempt at one experiment: start it, store its events, end it
    LeaseKeeper     renews the leases of all watches
    DriverPool      warm drivers, found again by name after a restart
    Driver          a driver as the dispatcher sees it
    Leftovers       removes files that nobody needs any more
    ExperimentDriver  the actor itself: runs the engine and keeps events in an Outbox until they are stored
"""

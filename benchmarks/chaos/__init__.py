"""Random kills of a real service's processes, and the proof that no experiment noticed: `python -m benchmarks.chaos`.

    runs         small experiments, and what each of them comes to when nothing disturbs it
    experiments  such experiments as what a storm rages over
    sweeps       sweeps of them instead
    victims      the living processes of a service, by what they are
    bystander    somebody else's Ray on the same machine, which must live through all of it
    service      asks the API until it answers
    storm        submits, kills, waits, and has the work judge what it came to: a verdict

Kills are drawn over the work and not over the clock: each falls due when a drawn number of rounds is finished in all. So every
kill of a seed happens on a machine of any speed, most come in the middle of training, and two that fall close together hit a
service that is still recovering.
"""

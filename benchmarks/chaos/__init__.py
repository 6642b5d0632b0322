"""Random kills of a real service's processes, and the proof that no experiment noticed: `python -m benchmarks.chaos`.

    runs       the experiments, and what each of them comes to when nothing disturbs it
    victims    the living processes of a service, by what they are
    bystander  somebody else's Ray on the same machine, which must live through all of it
    storm      submits, kills, waits, and compares

Kills are drawn over the work and not over the clock: each falls due when the experiments have finished a drawn number of
rounds in all. So every kill of a seed happens on a machine of any speed, most come in the middle of training, and two that fall
close together hit a service that is still recovering.
"""

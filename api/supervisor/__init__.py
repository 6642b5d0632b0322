"""`heron serve`: brings up Ray, the dispatcher and the API, keeps them up, and takes everything down again.

    Supervisor     the loop; the only process that lives as long as the service
    Child          one process that is restarted when it dies, with growing pauses
    StateDirectory one service's folder: lock, identity, database, checkpoints, artifacts, logs, service.json
    processes      finds every process the service started, by a mark in its environment
    guardian       ends them if the supervisor itself is killed
    api_process    the API's process

Only the command line imports it. It imports the store to open the database before anything starts; never Ray or torch.
"""

"""The engine of heron-ray: everything a simulation of split federated learning is.

It knows nothing of HTTP, SQL or the service. Floors, lowest first; each imports only those below it:
`errors`, `allocator`, `spec`, (`vectors`, `zo`, `models`, `data`, `federation`, `edge`, `measure`, `figures`), `methods`,
`simulation`, `actors`, `cli`.
"""

"""The service: REST routes, pure service rules, the database, and the dispatcher that runs experiments on Ray.

It imports the engine; the engine never imports it. Floors, lowest first: `domain`, `store`, then `routes` and
`dispatcher` side by side.
"""

"""Pure rules of the service: states, their transitions, and the records that cross the store's wall.

No HTTP, no SQL, no Ray. The store, the routes and the dispatcher may import it.
"""

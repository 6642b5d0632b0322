"""The database: the record of every experiment. SQLAlchemy lives here and nowhere else; rows never leave.

The routes and the dispatcher may import `Store`.
"""

from api.store.store import Store

__all__ = ["Store"]

"""The database: the record of every experiment. SQLAlchemy lives here and nowhere else; rows never leave.

The routes and the dispatcher may import `Store` and `SweepStore`.
"""

from api.store.store import Store
from api.store.sweeps import SweepStore

__all__ = ["Store", "SweepStore"]

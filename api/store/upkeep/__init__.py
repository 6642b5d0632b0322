"""Looking after a database: upgrade, check, backup, restore. What `heron db` does; it needs no service.

Functions take a database URL, open it, and close it again. The command line may import this room.
"""

from api.store.upkeep.backup import Backup, back_up
from api.store.upkeep.checking import check
from api.store.upkeep.fault import Fault
from api.store.upkeep.restoring import Restored, restore
from api.store.upkeep.upgrading import Upgrade, upgrade

__all__ = ["Backup", "Fault", "Restored", "Upgrade", "back_up", "check", "restore", "upgrade"]

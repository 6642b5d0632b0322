"""Training methods, one per file, each reading like its paper's algorithm box.

A method says what a client does in a round (a generator that yields what the client would send) and what the main
server does with an upload. It never knows where it runs, who else takes part or how messages travel.
"""

from heron_ray.methods.method import Client, ClientUpdate, Exchange, Fate, MainServer, Method, Script, Upload
from heron_ray.methods.registry import make_method

__all__ = ["Client", "ClientUpdate", "Exchange", "Fate", "MainServer", "Method", "Script", "Upload", "make_method"]

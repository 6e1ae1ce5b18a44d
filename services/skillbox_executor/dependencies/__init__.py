"""Packages that skills ask for: installed once per lock, shared read-only by boxes.

What a skill asks for (`wanted`) and the interpreter have a key. For each key there is one
*dependency set*: a tar of installed packages in the object store, named by its digest. A box of
its own makes it (`installer`), the engine's host keeps a copy (`volumes`, `folders`), and runs
mount that copy read-only. `dependencies` is the use case.
"""

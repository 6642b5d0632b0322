"""Runs the migrations on the connection that `api.store.migrate` hands over; Alembic executes this file."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()

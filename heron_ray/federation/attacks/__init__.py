"""The attacks, one per file. `heron_ray.federation.registry` knows them by kind; nobody else imports them."""

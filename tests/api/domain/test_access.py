import pytest

from api.domain.access import PAGES, RULES, SESSION, Scope, required_scope
from api.routes import create_app
from api.settings import Settings


def test_scopes_are_ordered_and_each_includes_those_before_it():
    assert [[larger.includes(smaller) for smaller in Scope] for larger in Scope] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("method", "scope"),
    [
        ("GET", Scope.READ),
        ("HEAD", Scope.READ),
        ("OPTIONS", Scope.READ),
        ("POST", Scope.SUBMIT),
        ("PUT", Scope.SUBMIT),
        ("PATCH", Scope.SUBMIT),
        ("BREW", Scope.SUBMIT),
        ("DELETE", Scope.ADMIN),
    ],
)
def test_a_route_that_nobody_thought_of_needs_what_its_method_needs(method, scope):
    assert required_scope(method, "/v9/unheard/of") == scope


def test_nothing_of_an_experiment_is_told_to_everybody():
    """Only whether the service answers, the pages' own documents, and where a browser signs in."""
    opened = {rule for rule, scope in RULES.items() if scope is None}
    assert {path for _, path in opened if path.startswith("/v1")} == {SESSION}
    pages = {"/healthz", "/", "/assets/{name}", *PAGES}
    assert {rule for rule in opened if rule[1] != SESSION} == {(method, path) for method in ("GET", "HEAD") for path in pages}


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/",
        "//healthz",
        "/healthz/x",
        "/x/healthz",
        "/HEALTHZ",
        "/metrics",
        "/docs",
        "/v1/experiments",
        "/assets/x/y",
        "",
    ],
)
def test_a_path_that_only_looks_like_an_open_one_is_not_open(path):
    assert required_scope("GET", path) == Scope.READ


def test_every_rule_is_for_a_route_that_there_is(sqlite_store):
    app = create_app(Settings(), sqlite_store)
    routes = {*app.openapi()["paths"], *(getattr(route, "path", "") for route in app.routes)}
    assert {path.removesuffix("/{name}") for _, path in RULES} <= routes

"""Names of halls: a sponsor that changes does not make another hall."""

from __future__ import annotations

import itertools

import pytest

from server.sync.matching import Place, judge_venue

SPOT = (53.5891, 9.8989)


def at(name: str, city: str = "Hamburg", spot: tuple[float, float] | None = SPOT) -> Place:
    """A hall; spot None: unknown."""
    return Place(name, city, "DE", *(spot or (None, None)))


@pytest.mark.parametrize(
    "names",
    [
        ("Color Line Arena", "O2 World Hamburg", "Barclaycard Arena", "Barclays Arena"),
        ("Acme Bank Palladium", "Palladium presented by Zeta Mobile", "Zeta Palladium", "The Palladium"),
        ("Acme Arena", "Globex Arena", "Initech Center", "Arena Hamburg"),
        ("Nokia Theatre", "Microsoft Theater", "Peacock Theater"),
        ("Tweeter Center", "Susquehanna Bank Center", "BB&T Pavilion", "Freedom Mortgage Pavilion"),
    ],
)
def test_one_hall_with_four_sponsors_is_one_hall(names: tuple[str, ...]) -> None:
    """At one spot, whichever name came first."""
    for ours, theirs in itertools.permutations(names, 2):
        assert judge_venue(at(ours), at(theirs)).outcome == "same", (ours, theirs)


def test_a_sponsor_makes_no_difference_in_a_city() -> None:
    """Also where no coordinates are known, when the rest of the name is the same."""
    for ours, theirs in [
        ("O2 Academy Brixton", "Carling Academy Brixton"),
        ("Palladium", "Palladium presented by Acme Bank"),
        ("Acme Bank Palladium", "Palladium"),
    ]:
        assert judge_venue(at(ours, "London", None), at(theirs, "London", None)).outcome == "same"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Shubert Theatre", "Booth Theatre"),
        ("The O2", "Indigo at The O2"),
        ("Uber Arena", "Uber Eats Music Hall"),
        ("Oper", "Tonhalle"),
        ("Blue Club", "Red Ballroom"),
        ("Crypto.com Arena", "Los Angeles Convention Center"),
    ],
)
def test_two_halls_at_one_spot_stay_two(ours: str, theirs: str) -> None:
    """Neighbours, and a second room in a house, are not taken for one without a person."""
    assert judge_venue(at(ours), at(theirs)).outcome != "same"


def test_halls_of_one_sponsor_in_a_city_stay_two() -> None:
    """The sponsor alone does not make one hall of two."""
    assert (
        judge_venue(at("O2 Academy Islington", "London", None), at("O2 Academy Brixton", "London", None)).outcome
        == "different"
    )

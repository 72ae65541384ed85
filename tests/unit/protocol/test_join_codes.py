"""Join codes, which lead from a wall to a show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.protocol.join_codes import join_code_of, show_of_join_code
from server.protocol.positions import EXACT_MAX


@given(st.integers(1, EXACT_MAX))
def test_every_show_has_a_code_of_its_own(show_id: int) -> None:
    """A code leads back to its show, however people type it."""
    code = join_code_of(show_id)
    assert show_of_join_code(code) == show_of_join_code(f" {code[:3].lower()}-{code[3:].lower()}") == show_id


def test_codes_are_six_letters_that_cannot_be_mixed_up() -> None:
    """Codes of the first shows have six letters and no vowel, and neighbours look unlike."""
    codes = [join_code_of(show_id) for show_id in range(1, 1_000)]
    assert {len(code) for code in codes} == {6}
    assert not set("".join(codes)) & set("AEIOULY0123456789")
    assert len({code[0] for code in codes[:19]}) == 19
    # 7 letters from the first id on that 6 cannot hold.
    assert [len(join_code_of(19**6 + step)) for step in (-1, 0)] == [6, 7]


def test_what_is_no_code_leads_nowhere() -> None:
    """Wrong letters, a wrong length, and a longer code of an id that has a shorter one."""
    for text in ("", "BCD", "BCDFGA", "123456", "BCDFGİ", "B" * 17, "B" * 10_000, "BBBBBBB"):
        assert show_of_join_code(text) is None, text

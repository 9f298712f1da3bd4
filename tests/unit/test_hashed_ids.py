"""Ids without number: told apart in little memory."""

from jobs.hashed_ids import HashedIds


def test_an_id_is_in_the_set_it_was_added_to() -> None:
    """A job whose record is overlooked is paid for twice; one that is imagined is never run."""
    ids = HashedIds(f"job_{number}" for number in range(5000))
    assert len(ids) == 5000
    assert all(f"job_{number}" in ids for number in range(5000))
    assert not any(f"job_{number}" in ids for number in range(5000, 10_000))
    assert "job_x" not in ids
    ids.add("job_x")
    assert "job_x" in ids
    assert "job_1" not in HashedIds()


def test_ids_that_come_twice_are_told() -> None:
    """Two rows of one id would be one job."""
    assert not HashedIds(map(str, range(3000))).repeated()
    ids = HashedIds([*map(str, range(3000)), "7", "2999", "7"])
    assert ids.repeated() == {hash("7"), hash("2999")}

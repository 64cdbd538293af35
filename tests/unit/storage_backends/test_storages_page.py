"""docs/storages.md says of every backend what the backend says of itself."""

from docs import generate


def test_the_table_of_storages_is_as_generated():
    page = generate.PAGES["storages.md"]
    assert page.current() == page.generated()

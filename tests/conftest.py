"""Options of the test run."""


def pytest_addoption(parser):
    parser.addoption(
        "--regenerate-golden",
        action="store_true",
        help="write the golden digests anew (and say why in CHANGELOG.md)",
    )

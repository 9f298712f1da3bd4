"""Which store a URL means, and what is told of one that means none."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import Settings, StoreSettings
from jobs.errors import ExitCode, UsageError
from jobs.queue import JobQueue
from jobs.records.files import FileRecordStore
from jobs.records.memory import MemoryRecordStore
from jobs.records.objects import ObjectRecordStore
from jobs.records.opening import open_store
from jobs.records.redis import RedisRecordStore

WITHOUT_OBSTORE = """
import sys
sys.modules["obstore"] = None
from jobs.errors import UsageError
from jobs.records.opening import open_store
try:
    open_store(sys.argv[1])
except UsageError as error:
    print(error.message, *error.fixes)
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("some/folder", FileRecordStore),
        ("with:colon", FileRecordStore),
        ("file:///tmp/a%20b", FileRecordStore),
        ("redis://localhost:6379/0", RedisRecordStore),
        ("rediss://localhost:6379/0", RedisRecordStore),
        ("redis+sentinel://me:secret@one,two:26380/mill/3", RedisRecordStore),
        ("rediss+sentinel://[::1]:26379/mill", RedisRecordStore),
        ("unix:///tmp/r.sock?db=3", RedisRecordStore),
        ("embedded:.promptmill", RedisRecordStore),
        ("s3://bucket/and/prefix", ObjectRecordStore),
        ("gs://bucket", ObjectRecordStore),
        ("az://container/prefix", ObjectRecordStore),
    ],
)
def test_a_url_means_a_store(
    place: str, kind: type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is all that somebody writes to move the records of a fleet."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_store(place), kind)
    assert list(tmp_path.iterdir()) == [], "it is not opened yet"


def test_a_path_and_its_url_mean_one_folder(tmp_path: Path) -> None:
    """A folder with a space in its name is one that a URL has to spell."""
    folder = tmp_path / "a b"
    spelled = f"file://{str(folder).replace(' ', '%20')}"
    expected = str(folder / "ca" / "a.json")
    for place in (folder, str(folder), spelled):
        assert open_store(place).place_of("a") == expected


def test_a_shared_folder_says_where_a_record_is(tmp_path: Path) -> None:
    """Whoever looks for a record is told the path of a file."""
    store = open_store(f"file+objects://{tmp_path}")
    assert store.place_of("a") == f"file://{tmp_path}/records/ca/a.json"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/records", "s3://BUCKET/PREFIX"),
        ("http://host/records", "s3://BUCKET/PREFIX"),
        ("s3://", "s3://BUCKET/PREFIX"),
        ("s3:bucket", "s3://BUCKET/PREFIX"),
        ("s3://key:TOPSECRET@bucket", "in the environment"),
        ("s3://bucket?region=x", "in the environment"),
        ("az://container", "AZURE_"),
        ("file://records", "three slashes"),
        ("file:records", "three slashes"),
        ("file+objects://host/records", "three slashes"),
        ("redis://host:port", "redis://HOST:PORT/DATABASE"),
        ("redis:host", "Redis: redis://HOST:PORT/DATABASE"),
        ("redis://u:TOPSECRET@host:port", "redis://HOST:PORT/DATABASE"),
    ],
)
def test_a_url_that_means_no_store_is_told_with_what_to_write(url: str, words: str) -> None:
    """The one who typed it knows where the records are to go, and not how we spell that."""
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert caught.value.exit_code is ExitCode.USAGE
    assert words in " ".join(caught.value.fixes)
    told = f"{caught.value.message} {caught.value.facts} {caught.value.fixes}"
    assert "TOPSECRET" not in told
    assert "\n" not in told
    assert repr(url.replace("TOPSECRET", "***")) in caught.value.message


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "file+objects:///tmp/records"])
def test_without_the_extra_a_person_is_told_what_to_install(url: str) -> None:
    """Object stores are for those who need them, and the first of them should not meet a traceback."""
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_OBSTORE, url], capture_output=True, text=True, check=True
    )
    assert "pip install 'promptmill[objects]'" in told.stdout


def test_files_are_opened_without_loading_what_other_stores_need() -> None:
    """`promptmill job list` answers at once for everybody who keeps records in a folder."""
    script = (
        "import sys; from jobs.records.opening import open_store; open_store('records'); "
        "print([name for name in ('arq', 'redis', 'obstore') if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "[]\n"


def test_settings_name_a_folder_unless_they_have_a_url() -> None:
    """Nobody has to configure anything before the first run."""
    assert Settings().records_place == Path(".promptmill/records")
    elsewhere = Settings(store=StoreSettings(url="s3://bucket/prefix"))
    assert elsewhere.records_place == "s3://bucket/prefix"


def test_a_queue_takes_a_path_a_url_or_a_store(tmp_path: Path) -> None:
    """A script says in one word where its records are."""
    url = "embedded:.promptmill"
    memory = MemoryRecordStore()
    assert JobQueue(url, records=memory).records is memory
    assert isinstance(JobQueue(url, records=tmp_path).records, FileRecordStore)
    assert isinstance(JobQueue(url, records="redis://localhost").records, RedisRecordStore)
    default = JobQueue("embedded:elsewhere").records
    assert isinstance(default, FileRecordStore)
    assert default.directory == Path("elsewhere/records")

"""Files are fetched over HTTP, as by the other client."""

from pathlib import Path
from tarfile import TarInfo

import pytest

from skillbox import RunResult
from skillbox.aio import AsyncClient
from tests.unit.sdk.archives import HOSTILE, archive, entry
from tests.unit.sdk.fake_server import Reply, serve


async def test_files_are_fetched(tmp_path: Path) -> None:
    body = archive(entry("sub/a.txt"))
    sizes: list[int] = []
    with serve() as store:
        store.on("GET /files", Reply(body=body))
        async with AsyncClient(store.url, "sk-a") as client:
            result = RunResult(files_url=f"{store.url}/files")
            await client.download_files(result, tmp_path, progress=sizes.append)
            assert "Authorization" not in store.last.headers
    assert (tmp_path / "sub" / "a.txt").read_text() == "hello"
    assert sum(sizes) == len(body)


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_archives_are_refused(tmp_path: Path, hostile: TarInfo) -> None:
    with serve() as store:
        store.on("GET /files", Reply(body=archive(entry("good.txt"), hostile)))
        async with AsyncClient(store.url) as client:
            with pytest.raises(ValueError, match=r"skillbox: .* in tar entry: "):
                await client.download_files(
                    RunResult(files_url=f"{store.url}/files"), tmp_path / "out"
                )
    # pytest's own folder: this blocks nobody.
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - see above

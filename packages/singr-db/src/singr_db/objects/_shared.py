"""One object store for all who use it in a process, opened when the first of them asks."""

import asyncio
from contextlib import suppress

from singr_config import ObjectStoreSettings
from singr_db.objects._folder_objects import FolderObjectStore
from singr_db.objects._objects import ObjectStore, open_object_store


class SharedObjectStore:
    """Opens the object store once, in a thread, since that takes some time, and closes it.

    Args:
        settings: which one.
    """

    def __init__(self, settings: ObjectStoreSettings) -> None:
        self._settings = settings
        self._opening: asyncio.Task[ObjectStore | FolderObjectStore] | None = None

    @property
    def configured(self) -> bool:
        """Whether there is one."""
        return self._settings.configured

    async def store(self) -> ObjectStore | FolderObjectStore:
        """The store; whoever asks while it is being opened waits for that.

        Raises:
            ObjectStoreError: the settings name none.
            MissingExtraError: boto3 is not installed, and no folder stands in for a server.
        """
        opening = self._opening
        if opening is None:
            opening = self._opening = asyncio.create_task(asyncio.to_thread(open_object_store, self._settings))
        try:
            return await asyncio.shield(opening)  # who gives up does not take it from the others
        except Exception:
            if self._opening is opening:
                self._opening = None
            raise

    async def close(self) -> None:
        """Close it, if it was opened."""
        opening, self._opening = self._opening, None
        if opening is not None:
            with suppress(Exception):  # it never was open: whoever asked for it was told
                store = await opening
                await store.close()

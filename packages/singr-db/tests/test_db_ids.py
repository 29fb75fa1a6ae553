"""Ids ascend, carry their time and do not collide, in forks either."""

import os
import time
import uuid
from itertools import pairwise

from singr_db import new_id


def test_ids_are_version_7_and_carry_their_time():
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert type(made) is uuid.UUID
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_of_one_process_ascend_strictly():
    ids = [new_id() for _ in range(50_000)]
    assert all(earlier < later for earlier, later in pairwise(ids))


def test_forked_processes_make_different_ids():
    new_id()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"".join(new_id().bytes for _ in range(1000)))
        os._exit(0)
    mine = {new_id().bytes for _ in range(1000)}
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    theirs = {data[start : start + 16] for start in range(0, len(data), 16)}
    assert len(theirs) == 1000
    assert not mine & theirs
    assert not {id_[6:] for id_ in mine} & {id_[6:] for id_ in theirs}  # the random part differs as well

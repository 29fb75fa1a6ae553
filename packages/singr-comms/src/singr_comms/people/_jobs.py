"""The job types of this room; a worker includes `jobs` beside those that send messages."""

from typing import Final

from singr_comms._collect import collected
from singr_jobs import Jobs

jobs: Final = Jobs()
for _more in collected("singr_comms.people.job_types", "JOBS", Jobs):
    jobs.include(_more)

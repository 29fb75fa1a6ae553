"""What workers did in the last minutes: added up in memory, written by the minute, told of queues and types."""

from singr_jobs.minutes._buckets import BUCKETS, bucket_of, percentile

__all__ = ["BUCKETS", "bucket_of", "percentile"]

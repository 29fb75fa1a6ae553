"""Those who deliver messages, one file each, and what is needed to write another (`HttpCaller`)."""

from singr_comms.providers._http import Answer, Auth, Bearer, HttpCaller, TraceHeaders, retry_after

__all__ = ["Answer", "Auth", "Bearer", "HttpCaller", "TraceHeaders", "retry_after"]

"""Why a job is where it is, in words: one small file for each reason there is."""

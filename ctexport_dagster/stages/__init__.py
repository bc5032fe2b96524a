"""The four stages of a profile export, free of Dagster: what the assets, the command line and the benchmarks call.

profiles   source → lake            one partition of a source's state
identity   lake → resolved rows     what an export sends for a partition, identities resolved
chunks     resolved rows → chunks   the files, as they will be delivered
delivery   chunks → destination     the files, then the manifest
"""

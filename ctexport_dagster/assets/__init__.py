"""The Dagster assets: each reads its partition, calls its stage, and says in metadata what came of it.

<source>/profiles → <export>/identity_resolved_profiles → <export>/formatted_chunks → <export>/delivery
<source>/events   → <export>/identity_resolved_events   → <export>/formatted_chunks → <export>/delivery
<source>/<dataset>                                      → <flow>/formatted_chunks   → <flow>/delivery
"""

"""How fast the service is, beside the least that the same work costs without it.

    scripts/bench --users 1000 100000

`running_order` has the works that are measured, `rows` what is aimed at, `page` writes
docs/performance.md from the results that are kept in `results/`.
"""

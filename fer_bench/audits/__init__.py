"""Audits of prepared data, one file each: ``fer_bench/audits/<name>.py`` registers ``audit = Audit(…)``."""

"""Dashboards and alert rules, written in Python; the files that Grafana and Prometheus read are made from it."""
